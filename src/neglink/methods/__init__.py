"""Methods: training recipes, each a chain of steps that the pipeline can store between."""

from neglink.methods.base import Method
from neglink.registry import Registry

__all__ = ["METHODS", "Method"]

METHODS: Registry[Method] = Registry(
    "method",
    "neglink.methods",
    {
        "plain": "neglink.methods.plain:Plain",
        "plain-averaged": "neglink.methods.plain_averaged:PlainAveraged",
        "plain-averaged-global": "neglink.methods.plain_averaged_global:PlainAveragedGlobal",
        "plain-global": "neglink.methods.plain_global:PlainGlobal",
        "mebns": "neglink.methods.mebns:MeBNS",
        "pull": "neglink.methods.pull:PULL",
        "autoencoder": "neglink.methods.autoencoder:Autoencoder",
        "bagging-pu": "neglink.methods.bagging:BaggingPU",
        "nml": "neglink.methods.nml:NML",
        "dmns": "neglink.methods.dmns:DMNS",
    },
)
