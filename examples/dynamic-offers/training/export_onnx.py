"""Trained models as ONNX: input `features` float32 [N, F], one output `probability` float32 [N, 1], N free.

The graphs are written by hand, because converters add a label output and a ZipMap that serving would only throw away.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import onnx
import xgboost
from onnx import TensorProto, helper, numpy_helper

from .features import ATTRIBUTION, FEATURE_COUNT

OPSET = 17
ML_OPSET = 3
IR_VERSION = 8


def _base_margin(model: dict) -> float:
    """What every prediction starts from, in log-odds. XGBoost stores the probability, since 3.1 as a list in text: "[1.5E-1]"."""
    text = model["learner"]["learner_model_param"]["base_score"]
    value = json.loads(text)
    probability = float(value[0] if isinstance(value, list) else value)
    return math.log(probability / (1 - probability))


def tree_graph(booster: xgboost.Booster) -> onnx.GraphProto:
    """Gradient-boosted trees of `binary:logistic` as a TreeEnsembleRegressor and a Sigmoid.

    XGBoost goes left when `x < split` in float32, which is BRANCH_LT. Nodes are numbered anew from the root, so that nodes
    that pruning left behind in the arrays are not written.
    """
    model = json.loads(booster.save_raw("json"))
    trees = model["learner"]["gradient_booster"]["model"]["trees"]
    tree_ids, node_ids, feature_ids, values, modes, true_ids, false_ids, missing_true = ([] for _ in range(8))
    leaf_trees, leaf_nodes, leaf_weights = [], [], []
    for tree_id, tree in enumerate(trees):
        left, right = tree["left_children"], tree["right_children"]
        order, waiting = [], [0]
        while waiting:
            node = waiting.pop()
            order.append(node)
            if left[node] != -1:
                waiting += [right[node], left[node]]
        number = {node: i for i, node in enumerate(order)}
        for node in order:
            tree_ids.append(tree_id)
            node_ids.append(number[node])
            if left[node] == -1:
                # A leaf keeps its output where a branch keeps its threshold.
                leaf_trees.append(tree_id)
                leaf_nodes.append(number[node])
                leaf_weights.append(tree["split_conditions"][node])
                branch = ("LEAF", 0, 0.0, 0, 0, 0)
            else:
                branch = (
                    "BRANCH_LT",
                    tree["split_indices"][node],
                    tree["split_conditions"][node],
                    number[left[node]],
                    number[right[node]],
                    int(tree["default_left"][node]),
                )
            for column, value in zip((modes, feature_ids, values, true_ids, false_ids, missing_true), branch):
                column.append(value)
    attributes = dict(
        n_targets=1,
        aggregate_function="SUM",
        post_transform="NONE",
        base_values=[_base_margin(model)],
        nodes_treeids=tree_ids,
        nodes_nodeids=node_ids,
        nodes_featureids=feature_ids,
        nodes_values=values,
        nodes_modes=modes,
        nodes_truenodeids=true_ids,
        nodes_falsenodeids=false_ids,
        target_treeids=leaf_trees,
        target_nodeids=leaf_nodes,
        target_ids=[0] * len(leaf_trees),
        target_weights=leaf_weights,
    )
    # Without the attribute a NaN fails `x < split` and goes right, which is XGBoost's default where training saw no gap. Leaving
    # it out keeps ONNX Runtime on its faster path.
    if any(missing_true):
        attributes["nodes_missing_value_tracks_true"] = missing_true
    # A node of its own: with one target ONNX Runtime leaves post_transform LOGISTIC undone.
    nodes = [
        helper.make_node("TreeEnsembleRegressor", ["features"], ["margin"], domain="ai.onnx.ml", **attributes),
        helper.make_node("Sigmoid", ["margin"], ["probability"]),
    ]
    return _graph("boosted-trees", nodes, [])


def dense_graph(offset: np.ndarray, scale: np.ndarray, layers: list[tuple[np.ndarray, np.ndarray]]) -> onnx.GraphProto:
    """log(1 + x), then (x - offset) * scale, then Gemm + Relu layers; the last has a sigmoid instead."""
    nodes = [
        helper.make_node("Add", ["features", "one"], ["shifted"]),
        helper.make_node("Log", ["shifted"], ["logarithm"]),
        helper.make_node("Sub", ["logarithm", "offset"], ["centred"]),
        helper.make_node("Mul", ["centred", "scale"], ["layer0"]),
    ]
    constants = {"one": np.array(1, dtype=np.float32), "offset": offset, "scale": scale}
    for i, (weights, bias) in enumerate(layers):
        last = i == len(layers) - 1
        constants[f"weights{i + 1}"], constants[f"bias{i + 1}"] = weights, bias
        nodes += [
            helper.make_node("Gemm", [f"layer{i}", f"weights{i + 1}", f"bias{i + 1}"], [f"sum{i + 1}"]),
            helper.make_node("Sigmoid" if last else "Relu", [f"sum{i + 1}"], ["probability" if last else f"layer{i + 1}"]),
        ]
    return _graph("dense", nodes, [numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in constants.items()])


def _graph(name: str, nodes: list, initializers: list) -> onnx.GraphProto:
    return helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", FEATURE_COUNT])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N", 1])],
        initializers,
    )


def write_onnx(graph: onnx.GraphProto, path: Path) -> None:
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)],
        ir_version=IR_VERSION,
        producer_name="tutti-training",
        doc_string=ATTRIBUTION,
    )
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
