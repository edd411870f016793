"""Runs that the program has trained, and networks whose outputs it has kept, in the folder that STRAIT_PLACE names."""

import json
import os
import shutil
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import safetensors.numpy

import strait
from strait import image_networks, networks, operations, velocities

try:
    import torch
except ImportError:
    torch = None
try:
    import onnx
    import onnxruntime
except ImportError:
    onnxruntime = None
try:
    import pandas
except ImportError:
    pandas = None

PLACE = Path(os.environ.get("STRAIT_PLACE", ""))
TOLERANCE = 1e-5


@unittest.skipUnless("STRAIT_PLACE" in os.environ, "crates/strait/tests/python.rs makes the place and names it")
class Beside(unittest.TestCase):
    def setUp(self):
        self.plain, self.map = strait.Run(PLACE / "runs/plain"), strait.Run(PLACE / "runs/map")

    def close(self, found, expected, what=""):
        self.assertEqual(found.shape, expected.shape, what)
        self.assertLess(np.abs(found - expected).max(), TOLERANCE, what)


def none_of(condition, which):
    """Conditions of which every one, or the second alone, is none: by -1, or by NaN as the first number."""
    condition, dropped = condition.copy(), slice(1, 2) if which == "second" else slice(None)
    if condition.ndim == 1:
        condition[dropped] = -1
    else:
        condition[dropped, 0] = np.nan
    return condition


class Runs(Beside):
    def test_the_records_of_a_run_are_read(self):
        self.assertEqual(self.plain.config["seed"], 3)
        self.assertEqual(self.plain.summary["dataset"], json.loads((PLACE / "runs/plain/summary.json").read_text())["dataset"])
        self.assertEqual(self.plain.checkpoints(), [120, 130, 140])
        self.assertEqual(self.plain.averages(), [5.0, 20.0])
        self.assertTrue(self.plain.provenance)

    def test_logs_and_measurements_are_tables(self):
        log, quality = self.plain.metrics(), self.plain.evaluations()
        if pandas:
            self.assertIsInstance(log, pandas.DataFrame)
        lines = [json.loads(line) for line in (PLACE / "runs/plain/metrics.jsonl").read_text().splitlines()]
        written = [level["terms"].get("flow_matching", np.nan) for line in lines for level in line["levels"]]
        # To the bit: nothing between the file and the table rounds.
        self.assertEqual(np.asarray(log["term.flow_matching"]).tobytes(), np.array(written).tobytes())
        self.assertEqual(set(log["level"]), {"velocity", "interpolant"})
        self.assertEqual(set(quality["nfe"]), {1, 4})
        self.assertIn("w2", set(quality["metric"]))

    def test_a_log_that_is_being_written_ends_where_it_is_whole(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "plain"
            shutil.copytree(PLACE / "runs/plain", copy)
            whole = len(strait.Run(copy).metrics()["step"])
            text = (copy / "metrics.jsonl").read_text()
            (copy / "metrics.jsonl").write_text(text[:-10])
            self.assertEqual(len(strait.Run(copy).metrics()["step"]), whole - 1)
            (copy / "metrics.jsonl").write_text("{\n" + text)
            with self.assertRaisesRegex(strait.StraitError, "line 1 "):
                strait.Run(copy).metrics()

    def test_parameters_are_written_back_as_they_were(self):
        for run, name, level in ((self.plain, "plain", "velocity"), (self.plain, "plain", "interpolant"), (self.map, "map", "velocity")):
            strait.write_tensors(PLACE / f"back/{name}.{level}.safetensors", run.parameters(level))
        # What the Rust side is to read right, and to refuse.
        strait.write_tensors(PLACE / "back/turned.safetensors", {"x": np.arange(6, dtype="f4").reshape(2, 3).T})
        (PLACE / "back/unsigned.safetensors").write_bytes(safetensors.numpy.save({"counts": np.ones(2, "u2")}))

    def test_a_damaged_or_foreign_checkpoint_is_refused_by_name(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "plain"
            shutil.copytree(PLACE / "runs/plain", copy)
            run, file = strait.Run(copy), copy / "checkpoints/step-140/velocity.safetensors"
            weights = run.parameters()
            # Two entries change places: a right file of another network.
            scrambled = {**weights, "1.weight": weights["1.weight"].T.copy()}
            strait.write_tensors(file, scrambled)
            with self.assertRaisesRegex(strait.StraitError, r"velocity\.safetensors: it is damaged"):
                run.parameters()
            with self.assertRaisesRegex(strait.StraitError, "no checkpoint of step 7"):
                run.parameters(step=7)
            with self.assertRaisesRegex(strait.StraitError, r"velocity\.ema-3\.safetensors"):
                run.parameters(average=3.0)
        double = {name: tensor.astype("f8") for name, tensor in weights.items()}
        with self.assertRaisesRegex(strait.StraitError, "`0.weight` is float64"):
            networks.Mlp(double)
        with self.assertRaisesRegex(strait.StraitError, "`2.weight`"):
            networks.Mlp({**weights, "2.weight": weights["2.weight"].T})
        with self.assertRaisesRegex(strait.StraitError, "widths"):
            velocities.of_config({"hidden": [16, 17]}, weights)

    def test_samples_of_given_points_are_the_programs(self):
        known = strait.read_tensors(PLACE / "samples.safetensors")
        self.close(self.plain.sample(20, evaluations=5, x0=known["x0"]), known["x"])
        drawn = self.map.sample(50, evaluations=1, seed=3)
        self.assertEqual(drawn.shape, (50, 2))
        self.assertTrue((drawn == self.map.sample(50, evaluations=1, seed=3)).all())
        # The second column is of 100 times the scale.
        self.assertGreater(drawn[:, 1].std(), 10 * drawn[:, 0].std())

    def test_an_unchosen_average_is_asked_for(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "plain"
            shutil.copytree(PLACE / "runs/plain", copy)
            (copy / "averages.json").unlink()
            with self.assertRaisesRegex(strait.StraitError, "average="):
                strait.Run(copy).velocity()
            strait.Run(copy).velocity(average=5.0)


class Networks(Beside):
    def known(self, of):
        paths = sorted((PLACE / "networks").glob(f"{of}*.json"))
        self.assertTrue(paths)
        for path in paths:
            config = {key: value for key, value in json.loads(path.read_text()).items() if value is not None}
            stem = path.with_suffix("")
            arrays, parameters = (strait.read_tensors(f"{stem}.{of}.safetensors") for of in ("arrays", "parameters"))
            with self.subTest(path.stem):
                yield config, parameters, arrays

    def test_perceptrons_in_numpy(self):
        for config, parameters, arrays in self.known("mlp"):
            mlp = velocities.of_config(config, parameters)
            self.close(mlp(arrays["x"], arrays["t"], arrays.get("condition")), arrays["v"])
            if "condition" in arrays:
                self.close(mlp(arrays["x"], arrays["t"]), arrays["unconditional"])
                self.close(mlp(arrays["x"], arrays["t"], none_of(arrays["condition"], "every")), arrays["unconditional"])
                mixed = mlp(arrays["x"], arrays["t"], none_of(arrays["condition"], "second"))
                self.close(mixed, np.concatenate([arrays["v"][:1], arrays["unconditional"][1:2], arrays["v"][2:]]))
                with self.assertRaisesRegex(strait.StraitError, "the condition is"):
                    mlp(arrays["x"], arrays["t"], arrays["condition"][:, None])
                if arrays["condition"].dtype.kind == "i":
                    for label in (-2, 3):
                        with self.assertRaisesRegex(strait.StraitError, f"-1 for none, and a label is {label}"):
                            mlp(arrays["x"], arrays["t"], np.full(5, label))
            if config["map"]:
                self.close(mlp.average_velocity(arrays["x"], arrays["s"], arrays["t"]), arrays["u"])
                self.close(mlp.carry(arrays["x"], arrays["s"], arrays["t"]), arrays["carried"])
            with self.assertRaises(strait.StraitError):
                mlp(arrays["x"][:, :1], arrays["t"])

    @unittest.skipIf(torch, "torch is installed")
    def test_a_module_needs_torch(self):
        with self.assertRaisesRegex(strait.StraitError, "pip install torch"):
            self.plain.module()

    @unittest.skipUnless(torch, "torch is not installed")
    def test_perceptrons_as_modules(self):
        from strait import torch_networks

        for config, parameters, arrays in self.known("mlp"):
            module = torch_networks.of_config(config, parameters)
            x, t = torch.tensor(arrays["x"]), torch.tensor(arrays["t"])
            condition = torch.tensor(arrays["condition"]) if "condition" in arrays else None
            self.close(module(x, t, condition=condition).detach().numpy(), arrays["v"])
            if condition is not None:
                none = torch.tensor(none_of(arrays["condition"], "every"))
                self.close(module(x, t, condition=none).detach().numpy(), arrays["unconditional"])
            if config["map"]:
                self.close(module(x, torch.tensor(arrays["s"]), t).detach().numpy(), arrays["u"])
            for name, tensor in torch_networks.tensors(module).items():
                self.assertEqual(tensor.tobytes(), parameters[name].tobytes())

    def images(self):
        """Networks of images in numpy, with their parameters and their known outputs."""
        for of, kind in (("unet", image_networks.Unet), ("transformer", image_networks.Transformer)):
            for config, parameters, arrays in self.known(of):
                names = ("event", "stem", "patch", "heads", "groups", "times", "time_octaves")
                yield kind, {name: config[name] for name in names if name in config}, parameters, arrays

    def test_networks_of_images_in_numpy(self):
        for kind, settings, parameters, arrays in self.images():
            network = kind(parameters, **settings).check()
            evaluate = network.average_velocity if network.is_flow_map else network
            given = [arrays[name] for name in ("x", "s", "t") if name in arrays]
            self.close(evaluate(*given, condition=arrays.get("condition")), arrays["y"])
            self.close(evaluate(*given), arrays["unconditional"])
            with self.assertRaisesRegex(strait.StraitError, r"x is \(B, 2, 8, 8\)"):
                network(arrays["x"][:, :1], arrays["t"])
            one = next(name for name in parameters if name.endswith("out.weight"))
            with self.assertRaisesRegex(strait.StraitError, f"no tensor `{one}`"):
                kind({name: x for name, x in parameters.items() if name != one}, **settings).check()
            with self.assertRaisesRegex(strait.StraitError, "no tensors of this network: more"):
                kind({**parameters, "more": parameters[one]}, **settings).check()
            with self.assertRaisesRegex(strait.StraitError, "do not fit together"):
                kind({**parameters, one: parameters[one][:, :-1]}, **settings).check()
            with self.assertRaisesRegex(strait.StraitError, f"`{one}` is float64"):
                kind({**parameters, one: parameters[one].astype("f8")}, **settings)

    @unittest.skipUnless(onnxruntime, "onnx and onnxruntime are not installed")
    def test_networks_of_images_in_onnx(self):
        from strait.onnx_file import write_onnx

        def session_of(network):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "a.onnx"
                write_onnx(path, network, (2, 8, 8))
                return onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])

        for kind, settings, parameters, arrays in self.images():
            session = session_of(kind(parameters, **settings))
            given = {name: arrays[name] for name in ("x", "s", "t", "condition") if name in arrays}
            self.assertEqual([entry.name for entry in session.get_inputs()], list(given))
            (found,) = session.run(None, given)
            self.close(found, arrays["y"])
            # Parameters of equal numbers and other shapes are others.
            like = kind({name: x if x.ndim > 1 else np.zeros_like(x) for name, x in parameters.items()}, **settings)
            own = like.average_velocity if like.is_flow_map else like
            self.close(session_of(like).run(None, given)[0], own(*given.values()))
            if "condition" in arrays:
                (free,) = session.run(None, {**given, "condition": none_of(given["condition"], "every")})
                self.close(free, arrays["unconditional"])
            (alone,) = session.run(None, {name: array[:1] for name, array in given.items()})
            self.close(alone, found[:1])

    @unittest.skipUnless(onnxruntime, "onnx and onnxruntime are not installed")
    def test_perceptrons_in_onnx(self):
        from strait import export
        from strait.onnx_file import write_onnx

        for config, parameters, arrays in self.known("mlp"):
            with tempfile.TemporaryDirectory() as folder:
                path, mlp = Path(folder) / "a.onnx", velocities.of_config(config, parameters)
                write_onnx(path, mlp, (2, 3))
                signature, off = export._off(mlp, path)
                self.assertEqual("condition" in signature, "condition" in arrays)
                self.assertLess(off, TOLERANCE)
                session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
            given = {name: arrays[name] for name in ("x", "s", "t", "condition") if name in arrays}
            self.assertEqual([entry.name for entry in session.get_inputs()], list(given))
            if "condition" in given:
                # What is known of a map under a condition is its diagonal.
                given.update({"s": arrays["t"]} if config["map"] else {})
                (free,) = session.run(None, {**given, "condition": none_of(given["condition"], "every")})
                self.close(free, arrays["unconditional"])
                if given["condition"].dtype.kind == "i":
                    with self.assertRaisesRegex(Exception, "out of data bounds|out of bounds"):
                        session.run(None, {**given, "condition": np.full(5, 3)})
            (found,) = session.run(None, given)
            self.close(found, arrays["u" if config["map"] and "condition" not in given else "v"])
            (alone,) = session.run(None, {name: array[:1] for name, array in given.items()})
            self.close(alone, found[:1])

    @unittest.skipUnless(onnxruntime, "onnx and onnxruntime are not installed")
    def test_a_run_is_an_onnx_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.onnx"
            self.plain.write_onnx(path)
            session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
        x, t = np.ones((4, 2), "f4"), np.linspace(0, 1, 4, dtype="f4")
        self.close(session.run(None, {"x": x, "t": t})[0], self.plain.velocity()(x, t))

    @unittest.skipUnless(onnxruntime, "onnx and onnxruntime are not installed")
    def test_an_exported_file_is_held_to_onnxruntime(self):
        from strait import export

        with tempfile.TemporaryDirectory() as folder:
            for run, signature in (
                (self.plain, "velocity of x (batch, 2), t (batch,)"),
                (self.map, "average_velocity of x (batch, 2), s"),
                (strait.Run(PLACE / "runs/images"), "velocity of x (batch, 1, 8, 8), t (batch,)"),
            ):
                path = Path(folder) / f"{run.path.name}.onnx"
                self.assertIn(signature, export.export(run.path, path))
                self.assertTrue(path.is_file())
            path.unlink()
            with self.assertRaisesRegex(strait.StraitError, "ends in .onnx"):
                export.export(self.plain.path, Path(folder) / "plain.bin")
            # A file that computes otherwise than the run is not kept.
            with mock.patch.object(operations.Numpy, "sigmoid", lambda _, x: np.tanh(x)):
                with self.assertRaisesRegex(strait.StraitError, "nothing is written"):
                    export.export(self.map.path, path)
            diagonal = lambda self, x, s, t, condition=None: self._evaluate(x, (t, t), condition)
            with mock.patch.object(networks.Network, "average_velocity", diagonal):
                with self.assertRaisesRegex(strait.StraitError, "nothing is written"):
                    export.export(self.map.path, path)
            self.assertEqual({path.name for path in Path(folder).iterdir()}, {"plain.onnx", "map.onnx"})

    @unittest.skipUnless(torch, "torch is not installed")
    def test_networks_of_images_as_modules(self):
        from strait import torch_networks

        for of, kind in (("unet", torch_networks.Unet), ("transformer", torch_networks.Transformer)):
            for config, parameters, arrays in self.known(of):
                module = torch_networks.load(kind(**config), parameters)
                x = torch.tensor(arrays["x"])
                times = [torch.tensor(arrays[name]) for name in ("s", "t") if name in arrays]
                condition = torch.tensor(arrays["condition"]) if "condition" in arrays else None
                self.close(module(x, *times, condition=condition).detach().numpy(), arrays["y"])
                if condition is not None:
                    none = torch.tensor(none_of(arrays["condition"], "every"))
                    self.close(module(x, *times, condition=none).detach().numpy(), arrays["unconditional"])
                self.close(module(x, *times).detach().numpy(), arrays["unconditional"])

    @unittest.skipUnless(torch, "torch is not installed")
    def test_a_run_is_a_module(self):
        x0 = np.random.default_rng(0).normal(size=(9, 2)).astype("f4")
        for run in (self.plain, self.map):
            mean, scale = run.units
            z = run.module().sample(torch.tensor(x0), 3).numpy()
            self.close((mean + scale * z) / scale, run.sample(9, 3, x0=x0) / scale)
        images = strait.Run(PLACE / "runs/images")
        x = torch.tensor(np.random.default_rng(1).normal(size=(3, 1, 8, 8)).astype("f4"))
        self.assertEqual(images.module().sample(x, 2).shape, x.shape)
        z = images.module().sample(x, 2).numpy()
        self.close((images.sample(3, 2, x0=x.numpy()) - images.units[0]) / images.units[1], z)
        with self.assertRaisesRegex(strait.StraitError, "2.weight"):
            from strait import torch_networks

            torch_networks.load(self.plain.module(), self.map.parameters())


if __name__ == "__main__":
    unittest.main()
