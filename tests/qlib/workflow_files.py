"""A workflow file of Qlib's, and the base that it changes."""

from __future__ import annotations

BASE = """
market: &market all
data_handler_config: &handler
    start_time: 2019-02-01
    end_time: 2020-08-11
    fit_start_time: 2019-03-01
    fit_end_time: 2019-08-30
    instruments: *market
port_analysis_config: &port_analysis_config
    strategy:
        class: TopkDropoutStrategy
        module_path: qlib.contrib.strategy
        kwargs: {signal: <PRED>, topk: 3, n_drop: 1}
    backtest:
        start_time: 2019-11-01
        end_time: 2020-07-31
        account: 1000000
        benchmark: SH600000
        exchange_kwargs: {deal_price: close, open_cost: 0.0005, close_cost: 0.0015, min_cost: 5}
task:
    model:
        class: LGBModel
        module_path: qlib.contrib.model.gbdt
        kwargs: {loss: mse, lambda_l1: 1e-3, num_leaves: 7, num_threads: 1}
    dataset:
        class: DatasetH
        module_path: qlib.data.dataset
        kwargs:
            handler:
                class: Alpha158
                module_path: qlib.contrib.data.handler
                kwargs: *handler
            segments:
                train: [2019-03-01, 2019-08-30]
                valid: [2019-09-02, 2019-10-31]
                test: [2019-11-01, 2020-08-06]
    record:
        - class: SignalRecord
          module_path: qlib.workflow.record_temp
          kwargs: {model: <MODEL>, dataset: <DATASET>}
        - class: SigAnaRecord
        - class: PortAnaRecord
          module_path: qlib.workflow.record_temp
          kwargs: {config: *port_analysis_config}
"""
WORKFLOW = """
{% set rounds = ROUNDS | default("5") %}
BASE_CONFIG_PATH: base.yaml
sys: {rel_path: own}
qlib_init:
    provider_uri: "{{ PROVIDER }}"
    region: us
    exp_manager: {class: MLflowExpManager, module_path: qlib.workflow.expm, kwargs: {uri: there}}
    maxtasksperchild: 3
experiment_name: from_yaml
task:
    model:
        kwargs: {num_boost_round: {{ rounds }}}
"""
