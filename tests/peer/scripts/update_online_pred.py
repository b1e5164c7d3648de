"""Update of predictions: a model is put online, and predicts the sessions that have come."""

import sys

import qlib
from peer_tasks import LIGHTGBM, PROVIDER_URI, RECORDS, leave, small
from qlib.constant import REG_CN
from qlib.model.trainer import task_train
from qlib.workflow.online.update import LabelUpdater, PredUpdater
from qlib.workflow.online.utils import OnlineToolR


class UpdatePredExample:
    def __init__(self, provider_uri=PROVIDER_URI, region=REG_CN, experiment_name="online_srv"):
        qlib.init(provider_uri=provider_uri, region=region)
        self.experiment_name = experiment_name
        self.online_tool = OnlineToolR(self.experiment_name)
        self.task = {
            "model": LIGHTGBM,
            "dataset": small(test=("2019-12-02", "2020-03-31")),
            "record": RECORDS,
        }

    def first_train(self):
        rec = task_train(self.task, experiment_name=self.experiment_name)
        self.online_tool.reset_online_tag(rec)
        self.leave("first_train")

    def update_online_pred(self):
        self.online_tool.update_online_pred()
        for rec in self.online_tool.online_models():
            LabelUpdater(rec).update()
        self.leave("update_online_pred")

    def update_from(self):
        (rec,) = self.online_tool.online_models()
        new = PredUpdater(rec, from_date="2020-02-03").update(write=False, ret_new=True)
        leave("update_from.pkl", new=new)

    def leave(self, step):
        (rec,) = self.online_tool.online_models()
        leave(
            f"{step}.pkl",
            pred=rec.load_object("pred.pkl"),
            label=rec.load_object("label.pkl"),
            tag=self.online_tool.get_online_tag(rec),
        )


if __name__ == "__main__":
    example = UpdatePredExample()
    for step in sys.argv[1:]:
        getattr(example, step)()
