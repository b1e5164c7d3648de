"""``DDGDA``: Qlib's DDG-DA, whose rolls are trained by this project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wf_dagster.errors import MissingExtraError
from wf_dagster.extras import optional_import
from wf_dagster.settings import get_settings, update_settings
from wf_dagster.tracking import R
from wf_dagster.workflows.rolling import Rolling

try:
    with optional_import("qlib", "DDGDA"):
        from wf_dagster.qlib_bridge.data_selection import QlibDDGDA, QlibRolling, similarity_parts
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingExtraError(
        "DDGDA needs torch (PyTorch), which is not installed: pip install torch"
    ) from None


class _Rolling(Rolling, QlibRolling):  # type: ignore[misc]
    """This project's rolling, of which Qlib's is a base: what is derived from Qlib's uses it."""


class DDGDA(QlibDDGDA, _Rolling):  # type: ignore[misc]
    """Qlib's DDG-DA: a meta-model says by which weights each roll learns from its past.

    The meta-model is Qlib's code, and so is the data that it learns from; what it records goes to
    this project's store. The rolls, whose tasks have a ``reweighter``, are those of
    :class:`Rolling`.

    The arguments are those of Qlib's ``DDGDA`` (``sim_task_model``, ``meta_1st_train_end``,
    ``alpha``, ``loss_skip_thresh``, ``fea_imp_n``, ``meta_data_proc``, ``segments``,
    ``hist_step_n``, ``working_dir``), and by their names those of :class:`Rolling`.

    Raises:
        MissingExtraError: PyTorch is not installed; raised by the import.
    """

    _meta_recorder: str | None = None  # id of the one with the meta-model of this object

    def _dump_meta_ipt(self) -> None:
        """Measure, and store, how alike the periods are."""
        with similarity_parts():
            super()._dump_meta_ipt()

    def _train_meta_model(self, fill_method: str = "max") -> None:
        """Train the meta-model into its own experiment."""
        super()._train_meta_model(fill_method)
        self._meta_recorder = self._latest_meta_recorder()

    def get_task_list(self) -> list[dict[str, Any]]:
        """The tasks of all rolls, with the weights that the latest meta-model gives them.

        A model that this object has trained is loaded; one of before only with
        ``trusted_modules="torch"``, as what PyTorch stores may run code.
        """
        self._prepared_conf()
        is_own = self._meta_recorder is not None
        if is_own and self._meta_recorder == self._latest_meta_recorder():
            with _torch_trusted():
                return list(super().get_task_list())
        return list(super().get_task_list())

    def _latest_meta_recorder(self) -> str | None:
        return next(iter(R.list_recorders(experiment_name=self.meta_exp_name)), None)


@contextmanager
def _torch_trusted() -> Iterator[None]:
    settings = get_settings()
    update_settings(trusted_modules=",".join([*settings.list_trusted_modules(), "torch"]))
    try:
        yield
    finally:
        update_settings(trusted_modules=settings.trusted_modules)
