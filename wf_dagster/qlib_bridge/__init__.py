"""The bridge to pyqlib, the extra ``qlib``.

What the market and the adapters import (``calendar``, ``qlib_prices``, ``options``, ``session``,
``qlib_classes``) imports Qlib when it is called; the other modules import it at once.
"""
