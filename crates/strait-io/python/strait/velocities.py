"""The network of a run's `[velocity]`, of numpy arrays."""

from . import image_networks, networks
from .errors import StraitError


def of_config(config, parameters, path="the velocity"):
    """The network with its parameters; `event` beside the settings is the shape of a sample."""
    family = config.get("family", "mlp")
    kinds = {"mlp": _mlp, "unet": _unet, "transformer": _transformer}
    if family not in kinds:
        raise StraitError(f"{path}: a velocity of the family {family} is not computed here; take the program's `sample`")
    return kinds[family](config, parameters, path)


def image_settings(config, path, names):
    """What a network of images is made with, of these names where the config gives them."""
    if "event" not in config:
        raise StraitError(f"{path}: it has not kept the shape of its images; `strait evaluate` writes units.safetensors")
    given = {name: config[name] for name in names if name in config}
    times = {"times": 1 + config.get("map", False), "time_octaves": config.get("time_octaves", 6)}
    return {"event": tuple(config["event"]), **given, **times}


def _mlp(config, parameters, path):
    mlp = networks.Mlp(
        parameters,
        activation=config.get("activation", "silu"),
        time_octaves=config.get("time_octaves", 0),
        is_flow_map=config.get("map", False),
        path=path,
    )
    if "hidden" in config and [weight.shape[0] for weight, _ in mlp.layers[:-1]] != list(config["hidden"]):
        raise StraitError(f"{path}: the layers are not of the widths {config['hidden']} that the config says")
    return mlp


def _unet(config, parameters, path):
    return image_networks.Unet(parameters, path=path, **image_settings(config, path, ("stem", "heads"))).check()


def _transformer(config, parameters, path):
    return image_networks.Transformer(parameters, path=path, **image_settings(config, path, ("patch", "heads"))).check()
