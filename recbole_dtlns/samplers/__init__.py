"""Negative samplers by name. A plugin adds its own: `SAMPLERS["mine"] = Mine`."""

from recbole_dtlns.samplers.base import BaseSampler
from recbole_dtlns.samplers.methods.ahns import AHNS
from recbole_dtlns.samplers.methods.ans import ANS
from recbole_dtlns.samplers.methods.dens import DENS
from recbole_dtlns.samplers.methods.dins import DINS
from recbole_dtlns.samplers.methods.divns import DivNS
from recbole_dtlns.samplers.methods.dns import DNS
from recbole_dtlns.samplers.methods.dns_mn import DNSMN
from recbole_dtlns.samplers.methods.dtl_ns import DTLNS
from recbole_dtlns.samplers.methods.mixgcf import MixGCF
from recbole_dtlns.samplers.methods.popularity import Popularity
from recbole_dtlns.samplers.methods.softmax_rho import SoftmaxRho
from recbole_dtlns.samplers.methods.srns import SRNS
from recbole_dtlns.samplers.methods.stabcf import StabCF
from recbole_dtlns.samplers.methods.uniform import Uniform

SAMPLERS: dict[str, type[BaseSampler]] = {
    "uniform": Uniform,
    "popularity": Popularity,
    "dns": DNS,
    "dns_mn": DNSMN,
    "softmax_rho": SoftmaxRho,
    "srns": SRNS,
    "ahns": AHNS,
    "mixgcf": MixGCF,
    "dins": DINS,
    "dens": DENS,
    "ans": ANS,
    "stabcf": StabCF,
    "divns": DivNS,
    "dtl_ns": DTLNS,
}
