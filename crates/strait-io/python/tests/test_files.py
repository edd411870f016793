"""Files alone: what is written is what is read, and what cannot be used is refused by name."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import safetensors.numpy

import strait


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name)

    def refusal(self, call, *arguments, **named):
        with self.assertRaises(strait.StraitError) as caught:
            call(*arguments, **named)
        line = str(caught.exception)
        self.assertNotIn("\n", line)
        return line

    def test_tensors_come_back_bit_for_bit(self):
        draw = np.random.default_rng(0)
        wide = draw.normal(size=(4, 6)).astype("f4")
        tensors = {
            "turned": wide.T,
            "every other": wide[:, ::2],
            "reversed": wide[::-1],
            "one for all": np.broadcast_to(np.float32(3), (2, 2)),
            "high byte first": wide.astype(">f4"),
            "number": np.float64(0.1),
            "none": np.zeros((0, 3), "f4"),
            "yes": np.array([True, False]),
            "whole": np.array([-3, 2**40]),
            "no number": np.array([np.nan, -np.inf, -0.0], "f2"),
        }
        path = self.path / "a.safetensors"
        strait.write_tensors(path, tensors)
        read = strait.read_tensors(path)
        self.assertEqual(list(read), sorted(tensors))
        for name, tensor in tensors.items():
            tensor = np.asarray(tensor)
            self.assertEqual(read[name].shape, tensor.shape, name)
            little = tensor.astype(tensor.dtype.newbyteorder("<"))
            self.assertEqual(read[name].tobytes(), little.tobytes(), name)
            self.assertTrue(read[name].flags.writeable, name)
        strait.write_tensors(self.path / "b.safetensors", read)
        self.assertEqual(path.read_bytes(), (self.path / "b.safetensors").read_bytes())

    def test_bfloat16_is_widened(self):
        # safetensors' own numpy side knows no BF16 of a file: 1.5 and -2 by hand.
        header = b'{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
        path = self.path / "a.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header + bytes([0xC0, 0x3F, 0x00, 0xC0]))
        self.assertEqual(strait.read_tensors(path)["a"].tolist(), [1.5, -2.0])

    def test_tensors_that_cannot_be_used_are_refused_by_name(self):
        path = self.path / "a.safetensors"
        self.assertIn("`counts`", self.refusal(strait.write_tensors, path, {"counts": np.ones(2, "u2")}))
        self.assertFalse(path.exists())
        path.write_bytes(safetensors.numpy.save({"counts": np.ones(2, "u2")}))
        self.assertIn("`counts`", self.refusal(strait.read_tensors, path))
        path.write_bytes(path.read_bytes()[:-1])
        self.assertIn("damaged", self.refusal(strait.read_tensors, path))
        self.assertIn("none.safetensors", self.refusal(strait.read_tensors, self.path / "none.safetensors"))

    def test_data_files_hold_what_was_given(self):
        x = np.arange(24.0).reshape(6, 2, 2)
        one = np.load(strait.write_data(self.path / "one.npz", x, labels=np.arange(6)))
        self.assertEqual(sorted(one.files), ["data", "labels"])
        self.assertTrue((one["data"] == x).all())
        parts = np.load(strait.write_data(self.path / "parts.npz", x, x[:2], x[:1], test_labels=[1, 0]))
        self.assertEqual(sorted(parts.files), ["test", "test_labels", "train", "validation"])

    def test_data_that_cannot_be_used_are_refused_by_name(self):
        x, write = np.ones((6, 2)), strait.write_data
        path = self.path / "a.npz"
        hole = x.copy()
        hole[3, 1] = np.nan
        for said, call in {
            "row 3 of `data`": lambda: write(path, hole),
            "`data` has shape (6,)": lambda: write(path, x[:, 0]),
            "`data` is complex128": lambda: write(path, x + 0j),
            "differ in shape": lambda: write(path, x, x[:, :1]),
            "there is a test split": lambda: write(path, x, validation=x),
            "`test_labels` is no array of labels here": lambda: write(path, x, test_labels=np.arange(6)),
            "`labels` is float64": lambda: write(path, x, labels=np.ones(6)),
            "ends in .npz": lambda: write(self.path / "a.npy", x),
        }.items():
            self.assertIn(said, self.refusal(call))
        self.assertEqual(list(self.path.iterdir()), [])

    def test_numbers_are_put_back_with_their_digits(self):
        z = np.array([[1.0, -1.0, 0.3, 1.26], [0.0, 2.0, -0.2, -9.0]], "f4")
        units = {"mean": np.array([1e9, 7, 2, 2]), "scale": np.array([1.0, 1, 2, 2])}
        self.assertTrue((strait.sampling.put_back(z, units)[:, 0] == [1e9 + 1, 1e9]).all())
        units["constant"] = np.array([0.0, 1, 0, 0])
        units["step"] = np.array([0.0, 0, 1, 1])
        units |= {"least": np.zeros(4), "greatest": np.array([0.0, 0, 9, 4])}
        expected = np.array([[1e9 + 1, 7, 3, 4], [1e9, 7, 2, 0]])
        self.assertTrue((strait.sampling.put_back(z, units) == expected).all())
        self.assertTrue((strait.sampling.put_back(z, units | {"down": np.array(1.0)})[:, 2] == [2, 1]).all())
        single = {name: tensor.astype("f4") for name, tensor in units.items()}  # of an older run
        self.assertEqual(strait.sampling.put_back(z, single).dtype, np.float64)

    def test_a_folder_that_is_no_run_is_refused(self):
        self.assertIn("config.toml", self.refusal(strait.Run, self.path))

    def test_a_run_is_found_by_its_name(self):
        os.chdir(self.path)
        self.addCleanup(os.chdir, "/")
        for name in ("runs/a", "runs/b", "b"):
            (self.path / name).mkdir(parents=True)
            (self.path / name / "config.toml").write_text(f"folder = '{name}'")
        found = [strait.Run(name).config["folder"] for name in ("a", "runs/a", "b", "runs/b")]
        self.assertEqual(found, ["runs/a", "runs/a", "b", "runs/b"])

    def test_it_needs_numpy_and_safetensors_alone(self):
        words = "import sys, strait; sys.exit(', '.join({'torch', 'onnx', 'onnxruntime', 'pandas'} & set(sys.modules)))"
        self.assertEqual(subprocess.run([sys.executable, "-c", words], capture_output=True, text=True).stderr.strip(), "")


if __name__ == "__main__":
    unittest.main()
