"""The names of ``qlib.model.ens.ensemble``."""

from wf_dagster.collect import AverageEnsemble, Ensemble, RollingEnsemble, SingleKeyEnsemble
from wf_dagster.compat.mirrored_names import qlib_names

__all__ = ["AverageEnsemble", "Ensemble", "RollingEnsemble", "SingleKeyEnsemble"]

__getattr__ = qlib_names(__name__)
