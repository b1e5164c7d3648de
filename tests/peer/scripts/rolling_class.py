"""``Rolling`` of a workflow file: rolls, their predictions joined, and their analysis."""

import qlib
from peer_tasks import PROVIDER_URI
from qlib.constant import REG_CN
from qlib.contrib.rolling.base import Rolling

if __name__ == "__main__":
    qlib.init(provider_uri=PROVIDER_URI, region=REG_CN)
    Rolling(
        conf_path="workflow.yaml",
        exp_name="rolling",
        horizon=2,
        step=30,
        rolling_exp="rolling_models",
    ).run()
