"""Command line: `python -m training [--data DIR] [--out DIR] [--only NAME ...] [--jobs N] [--seed N]`."""

from __future__ import annotations

import os

# Before NumPy is loaded: its matrix library takes all cores otherwise, and its sums then depend on how many there are.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse  # noqa: E402
import multiprocessing  # noqa: E402
import time  # noqa: E402
from concurrent.futures import ProcessPoolExecutor  # noqa: E402
from pathlib import Path  # noqa: E402

from .features import load_sessions  # noqa: E402
from .groups import split_rows  # noqa: E402
from .population import draw, write_summary  # noqa: E402
from .reference import write_reference  # noqa: E402
from .repository import Version, train_version  # noqa: E402

EXAMPLE = Path(__file__).resolve().parent.parent
GAMES = ("tower", "racer", "puzzle", "tennis")
# tower v1 first: it is what the example serves by default.
VERSIONS = [Version(game, version, "trees") for version in ("v1", "v2") for game in GAMES] + [Version("tower", "v1", "dense")]
PLAYERS_CHECKED = 2000
PLAYERS_SEED = 4242


def main() -> None:
    by_folder = {version.folder: version for version in VERSIONS}
    parser = argparse.ArgumentParser(prog="python -m training", description="Train the models of the Dynamic Offers example.")
    parser.add_argument("--data", type=Path, default=os.environ.get("TUTTI_DATA"), help="folder with online-shoppers.csv (default: TUTTI_DATA)")
    parser.add_argument("--out", type=Path, default=EXAMPLE / "models", help="where the model repository is written (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=by_folder, metavar="NAME", help=f"some of: {', '.join(by_folder)} (default: all)")
    parser.add_argument("--jobs", type=int, default=2, help="models trained at a time, one thread each (default: 2)")
    parser.add_argument("--seed", type=int, default=7, help="every other seed follows from it (default: 7)")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give the folder of online-shoppers.csv with --data or TUTTI_DATA")

    started = time.monotonic()
    sessions = load_sessions(arguments.data)
    split = split_rows(sessions)
    summary = write_summary(sessions, EXAMPLE / "players" / "population.json")
    players = draw(summary, PLAYERS_CHECKED, PLAYERS_SEED)
    chosen = [by_folder[name] for name in arguments.only or by_folder]
    with ProcessPoolExecutor(arguments.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for version in chosen:
            manifest, trained = train_version(version, arguments.seed, sessions, split, players, arguments.out, pool)
            if version.folder == "tower/v1":
                target = arguments.out / version.folder / "reference.json"
                write_reference(target, EXAMPLE / "catalogue" / "catalogue.json", manifest, trained, players)
            size_mb = sum(model["bytes"] for model in manifest["models"]) / 1e6
            mean = manifest["ensemble"]["mean"]
            print(
                f"\rtraining: {version.folder}: done, {size_mb:.1f} MB, held-out AUC {mean['auc']:.4f}, log loss {mean['logLoss']:.4f}, "
                f"ONNX differs by at most {manifest['onnxMaxAbsDifference']:.1e}, {time.monotonic() - started:.0f} s so far",
                flush=True,
            )


if __name__ == "__main__":
    main()
