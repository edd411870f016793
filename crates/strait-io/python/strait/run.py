"""A run's folder: what it was trained as, what it has learned, and what was measured."""

import hashlib
import json
import re
import tomllib
from decimal import Decimal
from pathlib import Path

import numpy as np

from . import velocities
from .errors import StraitError
from .sampling import integrate, put_back
from .table import table
from .tensors import read_tensors


class Run:
    """A run that `train` has made, by its folder or by its name in `runs/`; or one below it (`Run("moons/baseline")`)."""

    def __init__(self, path):
        named = Path("runs") / path
        self.path = named if (named / "config.toml").is_file() and not (Path(path) / "config.toml").is_file() else Path(path)
        text = self._text("config.toml")
        if text is None:
            raise StraitError(f"{self.path}: it is no run, for it has no config.toml, and there is none in {named}")
        try:
            #: The resolved config, a dict.
            self.config = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise StraitError(f"{self.path / 'config.toml'}: {error}") from error

    def __repr__(self):
        return f"Run({str(self.path)!r})"

    # What was measured.

    @property
    def provenance(self):
        """`provenance.json`, a dict; None where it is not there."""
        return self._json("provenance.json")

    @property
    def summary(self):
        """`summary.json`, a dict; None before the run was measured."""
        return self._json("summary.json")

    def evaluations(self):
        """Sample quality as measured, one row for each solver, count of evaluations and metric."""
        return table((self.summary or {}).get("evaluations", []))

    def metrics(self):
        """The training's log, one row for each level at each log step; `term.NAME` are the parts of its objective."""
        rows = []
        lines = (self._text("metrics.jsonl") or "").splitlines()
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                levels = record.pop("levels")
            except (ValueError, KeyError) as error:
                # A log that is being written ends in half a line.
                if number == len(lines):
                    break
                raise StraitError(f"{self.path / 'metrics.jsonl'}: line {number} is no record of a step") from error
            for level in levels:
                terms = {f"term.{name}": value for name, value in level.pop("terms", {}).items()}
                # Seconds of the level beside those of the run.
                rows.append({**record, **level, **terms})
        return table(rows)

    # What was learned.

    def checkpoints(self):
        """The steps of its checkpoints, in order."""
        names = (path.name for path in self._checkpoints.glob("step-*"))
        return sorted(int(name[5:]) for name in names if name[5:].isdigit())

    def averages(self, level="velocity", step=None):
        """The half-lives of a level's moving averages in a checkpoint, the newest unless `step` says another."""
        folder = self._checkpoint(step)
        found = (re.fullmatch(rf"{level}\.ema-(.+)\.safetensors", path.name) for path in folder.iterdir())
        return sorted(float(match[1]) for match in found if match)

    def parameters(self, level="velocity", average=None, step=None):
        """A level's parameters as a dict of arrays, `velocity` or `interpolant`.

        `average` is a half-life, for its moving average, or "chosen" for what `sample` of the program would take; None is
        what the last step left. The file's SHA-256 is held against `SHA256SUMS`.
        """
        folder = self._checkpoint(step)
        if average == "chosen":
            average = self._chosen(level, folder)
        kept = "" if average is None else f".ema-{_shortest(average)}"
        name = f"{level}{kept}.safetensors"
        if not (folder / name).is_file():
            there = ", ".join(sorted(path.name for path in folder.glob("*.safetensors")))
            raise StraitError(f"{folder / name}: there is no such file; there are: {there}")
        _check_sum(folder, name)
        return {name: tensor for name, tensor in read_tensors(folder / name).items() if name != "ema.steps"}

    def velocity(self, average="chosen", step=None):
        """The velocity, or the flow map, as a function of numpy arrays: see `networks.Network`."""
        return velocities.of_config(self._velocity_config(), self.parameters("velocity", average, step), self.path)

    def module(self, average="chosen", step=None):
        """The velocity, or the flow map, as a `torch.nn.Module`: `module(x, t)`, and `module(x, s, t)` of a flow map."""
        try:
            from . import torch_networks
        except ImportError as error:
            raise StraitError(f"{self.path}: the package torch is needed to make it a module; pip install torch") from error
        config, parameters = self._velocity_config(), self.parameters("velocity", average, step)
        return torch_networks.of_config(config, parameters, self.path)

    def write_onnx(self, path, average="chosen", step=None):
        """Writes the velocity, or a flow map's average velocity, as an ONNX file, in the units that the run is trained in."""
        from .onnx_file import write_onnx

        velocity = self.velocity(average, step)
        event = self._velocity_config().get("event") or (velocity.dimension,)
        write_onnx(Path(path), velocity, tuple(event))

    # Samples.

    @property
    def units(self):
        """(mean, scale) from the data's own units, x = mean + scale z; None in a run that has not kept them."""
        units = self._put_back()
        return None if units is None else (units["mean"], units["scale"])

    def _put_back(self):
        # A baseline's are those of the run that it stands beside.
        for folder in (self.path, self.path.parent):
            if (folder / "units.safetensors").is_file():
                return read_tensors(folder / "units.safetensors")
        return None

    def sample(self, count, evaluations=4, seed=0, x0=None, condition=None, average="chosen"):
        """New samples, (count, ...), in the data's own units and float64, by Euler steps; of a flow map by as many maps.

        `x0` are the source's points, in the units that the run is trained in; without them they are standard normal, drawn
        by numpy from `seed`, and so are others than the program's. `condition` is one label for all, labels (count,), or
        vectors (count, n); without it a run that has conditions samples that of none.
        """
        if evaluations < 1 or count < 1:
            raise StraitError(f"{count} samples by {evaluations} evaluations: both are at least 1")
        if self.units is None:
            raise StraitError(f"{self.path}: it has not kept its units; `strait evaluate {self.path.name}` writes them")
        units = self._put_back()
        mean = units["mean"]
        if x0 is None:
            source = self.config.get("source", {"name": "normal"})
            if source.get("name") != "normal":
                raise StraitError(f"{self.path}: its source is {source}; give the source's points as x0")
            x0 = np.random.default_rng(seed).standard_normal((count, *mean.shape), np.float32)
        condition = None if condition is None else np.asarray(condition)
        if condition is not None and condition.ndim == 0:
            condition = np.full(count, condition)
        x = integrate(self.velocity(average), np.asarray(x0, np.float32), evaluations, condition)
        if not np.isfinite(x).all():
            raise StraitError(f"{self.path}: a sample is not finite; take finite x0, or more evaluations")
        return put_back(x, units)

    # Files.

    @property
    def _checkpoints(self):
        return self.path / "checkpoints"

    def _checkpoint(self, step):
        there = self.checkpoints()
        step = there[-1] if step is None and there else step
        if step not in there:
            raise StraitError(f"{self.path}: it has no checkpoint of step {step}; there are: {there}")
        return self._checkpoints / f"step-{step}"

    def _chosen(self, level, folder):
        half_lives = self.averages(level, int(folder.name[5:]))
        if len(half_lives) < 2:
            return half_lives[0] if half_lives else None
        choice = self._json("averages.json")
        if choice is None or f"step-{choice['step']}" != folder.name:
            problem = f"of its moving averages {half_lives} none is chosen for {folder.name}"
            raise StraitError(f"{self.path}: {problem}; `strait evaluate` chooses one, or give average=")
        return choice["half_life"]

    def _velocity_config(self):
        event = self.config.get("data", {}).get("image") if self.units is None else self.units[0].shape
        return {**({} if event is None else {"event": event}), **self.config.get("velocity", {})}

    def _text(self, name):
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise StraitError(f"{self.path / name}: it cannot be read ({error})") from error

    def _json(self, name):
        text = self._text(name)
        try:
            return None if text is None else json.loads(text)
        except ValueError as error:
            raise StraitError(f"{self.path / name}: it is no JSON ({error})") from error


def _shortest(half_life):
    """As the program writes it: 20, 0.5, 1000000."""
    return format(Decimal(repr(float(half_life))).normalize(), "f")


def _check_sum(folder, name):
    sums = folder / "SHA256SUMS"
    lines = sums.read_text().splitlines() if sums.is_file() else []
    known = {of: digest for digest, _, of in (line.partition("  ") for line in lines)}
    if known.get(name) != hashlib.sha256((folder / name).read_bytes()).hexdigest():
        raise StraitError(f"{folder / name}: it is damaged, for its SHA-256 is not the one in {sums}")
