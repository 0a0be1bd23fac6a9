"""Error rates against plain definitions, normalisation, and the scoring script on files."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.score import main
from zoo.errors import ArtifactError
from zoo.tasks.speaker.embeddings import Origin, read_embeddings, write_embeddings
from zoo.tasks.speaker.scoring import (
    CohortStatistics,
    cohort_statistics,
    detection_cost,
    equal_error_rate,
    normalise_scores,
    normalised,
    operating_points,
)
from zoo.tasks.speaker.trial_lists import read_trials

# Few distinct values, so that ties are the rule.
scores = st.lists(st.integers(-4, 4).map(lambda n: n / 4), min_size=1, max_size=40)


def plain_rates(targets: list[float], nontargets: list[float]) -> list[tuple[float, float, float]]:
    """(threshold, misses, false alarms) by counting."""
    thresholds = [*sorted({*targets, *nontargets}), np.inf]
    return [(t, np.mean([s < t for s in targets]), np.mean([s >= t for s in nontargets])) for t in thresholds]


@given(scores, scores)
def test_operating_points(targets: list[float], nontargets: list[float]) -> None:
    points = operating_points(targets, nontargets)
    found = list(zip(points.thresholds, points.misses, points.false_alarms, strict=True))
    np.testing.assert_allclose(found, plain_rates(targets, nontargets))


@given(scores, scores, st.randoms())
def test_the_order_of_trials_does_not_matter(targets, nontargets, random) -> None:
    """Nor which of equal scores comes first: each figure is of the scores as sets."""
    equal, cost = equal_error_rate(targets, nontargets), detection_cost(targets, nontargets)
    for _ in range(3):
        random.shuffle(targets)
        random.shuffle(nontargets)
        assert equal_error_rate(targets, nontargets) == equal
        assert detection_cost(targets, nontargets) == cost
    assert equal_error_rate(targets * 3, nontargets * 2).rate == pytest.approx(equal.rate)


@given(scores, scores)
def test_equal_error_rate_lies_between_its_neighbours(targets, nontargets) -> None:
    found = equal_error_rate(targets, nontargets)
    rates = plain_rates(targets, nontargets)
    (_, m0, f0), (_, m1, f1) = next(
        pair for pair in pairwise(rates) if pair[0][1] < pair[0][2] and pair[1][1] >= pair[1][2]
    )
    assert m0 - 1e-12 <= found.rate <= m1 + 1e-12 and f1 - 1e-12 <= found.rate <= f0 + 1e-12
    part = (f0 - m0) / ((f0 - m0) + (m1 - f1))  # where the two straight lines meet
    assert found.rate == pytest.approx(f0 + part * (f1 - f0)) == pytest.approx(m0 + part * (m1 - m0))
    assert min(*targets, *nontargets) <= found.threshold <= max(*targets, *nontargets)


def test_known_rates() -> None:
    assert equal_error_rate([0.9, 0.8], [0.1, 0.2]).rate == 0
    assert 0.2 <= equal_error_rate([0.9, 0.8], [0.1, 0.2]).threshold <= 0.8
    assert equal_error_rate([0.1, 0.2], [0.9, 0.8]).rate == 1
    assert equal_error_rate([0.5], [0.5]).rate == 0.5  # one score for all: nothing is told apart
    assert equal_error_rate([1, 2, 3, 4], [0, 1.5, 0, 0]).rate == 0.25
    rng = np.random.default_rng(0)
    found = equal_error_rate(rng.normal(2, 1, 100_000), rng.normal(0, 1, 200_000))
    assert found.rate == pytest.approx(0.15866, abs=2e-3) and found.threshold == pytest.approx(1, abs=2e-2)


@given(scores, scores, st.sampled_from([0.01, 0.05, 0.5, 0.9]))
def test_detection_cost(targets, nontargets, prior) -> None:
    costs = [
        (prior * m + (1 - prior) * f) / min(prior, 1 - prior) for _, m, f in plain_rates(targets, nontargets)
    ]
    found = detection_cost(targets, nontargets, prior)
    assert found.cost == pytest.approx(min(costs)) and found.cost <= 1 + 1e-12
    weighed = detection_cost(targets, nontargets, prior, miss=10, false_alarm=1)
    assert weighed.cost <= 1 + 1e-12


@pytest.mark.parametrize(("targets", "nontargets"), [([], [1.0]), ([1.0], []), ([np.nan], [1.0])])
def test_no_rates(targets: list[float], nontargets: list[float]) -> None:
    for rate in (equal_error_rate, detection_cost, operating_points):
        with pytest.raises(ValueError):
            rate(targets, nontargets)
    for prior in (0, 1, -1, np.nan):
        with pytest.raises(ValueError, match="a prior between 0 and 1"):
            detection_cost([1.0], [0.0], prior)


def test_normalisation() -> None:
    """Against the definition, trial by trial."""
    rng = np.random.default_rng(1)
    enrol, test, cohort = (normalised(rng.standard_normal((n, 8))) for n in (5, 5, 40))
    raw = np.einsum("ne,ne->n", enrol, test)
    for top in (None, 10):
        sides = [cohort_statistics(side, cohort, top) for side in (enrol, test)]
        found = normalise_scores(raw, *sides)
        for index in range(5):
            expected = 0.0
            for side in (enrol, test):
                against = np.sort(cohort @ side[index])[::-1][: top or 40]
                expected += 0.5 * (raw[index] - against.mean()) / against.std()
            assert found[index] == pytest.approx(expected)
    assert isinstance(sides[0], CohortStatistics)
    with pytest.raises(ValueError, match="the top 41 of 40 cohort scores"):
        cohort_statistics(enrol, cohort, 41)
    with pytest.raises(ValueError, match="the same score with all"):
        cohort_statistics(enrol, np.repeat(cohort[:1], 4, 0))
    with pytest.raises(ValueError, match="embedding 1 is zero"):
        normalised([[1, 0], [3, 3]], mean=[3, 3])


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Embeddings of 8 made-up speakers, 6 recordings each, a cohort, and trials; all around one mean."""
    rng = np.random.default_rng(2)
    offset, speakers = 3 * rng.standard_normal(16), rng.standard_normal((40, 16))

    def recordings(of: range, each: int) -> dict[str, np.ndarray]:
        return {
            f"s{speaker}-{index}": (offset + speakers[speaker] + 0.8 * rng.standard_normal(16)).astype(
                np.float32
            )
            for speaker in of
            for index in range(each)
        }

    enrolled = recordings(range(8), 6)
    write_embeddings(tmp_path / "eval.npz", enrolled, Origin("m", False))
    write_embeddings(tmp_path / "eval.ark", enrolled, Origin("m", False))
    write_embeddings(tmp_path / "cohort.npz", recordings(range(8, 40), 4), Origin("m", False))
    names = list(enrolled)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    lines = [f"{a} {b} {'target' if a[:2] == b[:2] else 'nontarget'}" for a, b in pairs]
    (tmp_path / "trials").write_text("\n".join(lines) + "\n")
    (tmp_path / "reversed").write_text(
        "\n".join(reversed(lines)).replace("nontarget", "0").replace("target", "1")
    )
    (tmp_path / "unlabelled").write_text("".join(f"{a} {b}\n" for a, b in pairs[:5]))
    return tmp_path


def run(corpus: Path, *options: str, embeddings: str = "eval.npz", trials: str = "trials") -> dict:
    out = corpus / "out"
    arguments = [
        "--embeddings",
        str(corpus / embeddings),
        "--trials",
        str(corpus / trials),
        "--output",
        str(out),
    ]
    assert main([*arguments, *options]) == 0
    return json.loads((out / "report.json").read_text())


def test_the_script(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort = ("--cohort", str(corpus / "cohort.npz"))
    plain = run(corpus, "--no-plots")["trials"]["trials"]
    centred = run(corpus, *cohort)
    assert centred["mean"] == f"of {corpus / 'cohort.npz'}" and centred["origin"]["mean_subtracted"] is False
    found = centred["trials"]["trials"]
    assert (found["targets"], found["nontargets"]) == (120, 1008)
    assert found["eer_percent"] < 0.8 * plain["eer_percent"]  # the mean hides the speakers
    for picture in ("det.png", "trials.histogram.png"):
        assert (corpus / "out" / picture).read_bytes().startswith(b"\x89PNG")
    embeddings = dict(np.load(corpus / "eval.npz"))
    mean = np.load(corpus / "cohort.npz")["embeddings"].mean(0, dtype=np.float64)
    rows = dict(zip(embeddings["names"], embeddings["embeddings"].astype(float) - mean, strict=True))
    lines = (corpus / "out" / "trials.score").read_text().splitlines()
    assert len(lines) == 1128
    for line in lines[::97]:
        a, b, value, label = line.split()
        cosine = rows[a] @ rows[b] / np.linalg.norm(rows[a]) / np.linalg.norm(rows[b])
        assert float(value) == pytest.approx(cosine, abs=6e-6) and len(value.split(".")[1]) == 5
        assert label == ("target" if a[:2] == b[:2] else "nontarget")
    # the order of trials, the labels' spelling and the archive's kind change nothing
    for options in ({"trials": "reversed"}, {"embeddings": "eval.scp"}):
        again = run(corpus, *cohort, "--no-plots", **options)["trials"]
        assert next(iter(again.values())) == found
    for norm in (("snorm",), ("asnorm", "--top", "50")):
        normed = run(corpus, *cohort, "--no-plots", "--norm", *norm, "--priors", "0.01", "0.1", "0.5")
        figures = normed["trials"]["trials"]
        assert set(figures["min_dcf"]) == {"0.01", "0.1", "0.5"}
        assert figures["eer_percent"] < 1.5 * found["eer_percent"]
        assert (
            figures["eer_percent"] != found["eer_percent"]
            and figures["eer_threshold"] > found["eer_threshold"]
        )
    assert run(corpus, "--no-plots", trials="unlabelled")["trials"] == {"unlabelled": {"trials": 5}}
    assert len((corpus / "out" / "unlabelled.score").read_text().splitlines()[0].split()) == 3
    capsys.readouterr()


def test_a_mean_is_not_subtracted_twice(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mean = np.load(corpus / "cohort.npz")["embeddings"].mean(0)
    np.save(corpus / "mean.npy", mean)
    direct = run(corpus, "--no-plots", "--mean", str(corpus / "mean.npy"))
    for name in ("eval", "cohort"):
        content = np.load(corpus / f"{name}.npz")
        rows = dict(zip(content["names"].tolist(), content["embeddings"] - mean, strict=True))
        write_embeddings(corpus / f"{name}_done.npz", rows, Origin("m", True))
    done = run(corpus, "--no-plots", "--cohort", str(corpus / "cohort_done.npz"), embeddings="eval_done.npz")
    assert done["mean"] == "subtracted already, by m"
    assert done["trials"]["trials"]["eer_percent"] == pytest.approx(direct["trials"]["trials"]["eer_percent"])
    common = ["--trials", str(corpus / "trials"), "--output", str(corpus / "out")]
    for options, message in (
        (["--embeddings", "eval_done.npz", "--mean", "mean.npy"], "it would be subtracted twice"),
        (["--embeddings", "eval_done.npz", "--cohort", "cohort.npz"], "embed both in the same way"),
    ):
        paths = [str(corpus / word) if "." in word else word for word in options]
        assert main([*paths, *common]) == 1
        assert message in capsys.readouterr().err


def test_the_scripts_errors(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (corpus / "odd").write_text("s0-0 s0-1 maybe\n")
    (corpus / "half").write_text("s0-0 s0-1 target\ns0-0 s1-0\n")
    (corpus / "stranger").write_text("s0-0 s99-0 target\n")
    (corpus / "onesided").write_text("s0-0 s0-1 target\n")
    (corpus / "nothing").write_text("\n")
    cohort = ["--cohort", str(corpus / "cohort.npz")]
    for trials, options, message in (
        ("odd", [], "odd, line 1: expected"),
        ("half", [], "1 of 2 trials have no label"),
        ("stranger", [], "no embeddings of 1 recordings in the trials: s99-0"),
        ("onesided", [], "there are no non-targets"),
        ("nothing", [], "it holds no trials"),
        ("absent", [], "cannot be read as a trial list"),
        ("trials", ["--norm", "snorm"], "--norm snorm needs --cohort"),
        ("trials", [*cohort, "--norm", "asnorm", "--top", "1000"], "the top 1000 of 128 cohort scores"),
        ("trials", ["--mean", "x.npy", "--no-mean"], "contradict each other"),
        ("trials", ["--mean", str(corpus / "trials")], "expected a .npy file"),
        ("trials", ["--priors", "1.5"], "a prior between 0 and 1"),
    ):
        arguments = ["--embeddings", str(corpus / "eval.npz"), "--trials", str(corpus / trials)]
        assert main([*arguments, "--output", str(corpus / "out"), "--no-plots", *options]) == 1
        assert message in capsys.readouterr().err


def test_embeddings_are_told_apart_by_the_parameters(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By sha256 where both files have it, else by the name; files without one, as made before, still load."""
    found, _ = read_embeddings(corpus / "cohort.npz")
    words = "--embeddings", str(corpus / "x.npz"), "--cohort", str(corpus / "y.npz"), "--no-plots"
    for a, b, alike in (
        (Origin("m.onnx", False, "1" * 64), Origin("m.onnx", False, "2" * 64), False),
        (Origin("m.onnx", False, "1" * 64), Origin("n.onnx", False, "1" * 64), True),
        (Origin("m.onnx", False, "1" * 64), Origin("m.onnx", True, "1" * 64), False),
        (Origin("m.onnx", False, "1" * 64), Origin("m.onnx", False), True),
        (Origin("m.onnx", False), Origin("n.onnx", False, "1" * 64), False),
    ):
        embeddings, _ = read_embeddings(corpus / "eval.npz")
        write_embeddings(corpus / "x.npz", embeddings, a, force=True)
        write_embeddings(corpus / "y.npz", found, b, force=True)
        assert read_embeddings(corpus / "x.npz")[1] == a
        status = main([*words, "--trials", str(corpus / "trials"), "-o", str(tmp_path / "s")])
        told = capsys.readouterr()
        assert status == (0 if alike else 1) and ("embed both in the same way" in told.err) is not alike


@pytest.mark.parametrize("shape", [(), (1,), (16, 1), (1, 16), (16, 16), (15,)])
def test_a_mean_has_the_embeddings_length(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], shape: tuple[int, ...]
) -> None:
    """What merely broadcasts gives other error rates without a word."""
    np.save(tmp_path / "mean.npy", np.ones(shape, np.float32))
    words = "--embeddings", str(corpus / "eval.npz"), "--mean", str(tmp_path / "mean.npy"), "--no-plots"
    assert main([*words, "--trials", str(corpus / "trials"), "-o", str(tmp_path / "s")]) == 1
    assert "mean.npy: it has the shape (" in capsys.readouterr().err and not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    "spelling",
    [
        "{label} {a} {b}",
        "\ufeff{a} {b} {label}",
        "{a}\t{b}  {word}",
        "{word} {a} {b}",
    ],
)
def test_other_spellings_of_trials(corpus: Path, spelling: str, capsys: pytest.CaptureFixture[str]) -> None:
    """VoxCeleb's own order, Kaldi's older words, another case, a byte order mark: the same figures."""
    expected = run(corpus, "--no-plots")["trials"]["trials"]
    words = {"target": ("1", "Target"), "nontarget": ("0", "IMP")}
    rows = [line.split() for line in (corpus / "trials").read_text().splitlines()]
    lines = [
        spelling.replace("\ufeff", "").format(a=a, b=b, label=words[label][0], word=words[label][1])
        for a, b, label in rows
    ]
    mark = "\ufeff" if spelling.startswith("\ufeff") else ""
    (corpus / "other").write_text(mark + "\n".join(lines), encoding="utf-8")
    assert run(corpus, "--no-plots", trials="other")["trials"]["other"] == expected
    capsys.readouterr()


def test_names_that_are_labels(corpus: Path) -> None:
    """A recording called 1 is one, where the label stands behind."""
    (corpus / "odd").write_text("1 b target\n1 0 nontarget\n")
    found = read_trials(corpus / "odd")
    assert (found.enrol, found.test, found.targets.tolist()) == (["1", "1"], ["b", "0"], [True, False])
    (corpus / "odd").write_text("1 a b\n0 a c\na b 1\n")
    with pytest.raises(ArtifactError, match=r'odd, line 1: .* or "1 enrol test" in all lines, got \'1 a b\''):
        read_trials(corpus / "odd")


def test_missing_embeddings_are_skipped_and_counted(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, origin = read_embeddings(corpus / "eval.npz")
    assert origin is not None
    fewer = {name: row for name, row in found.items() if name != "s3-2"}
    write_embeddings(corpus / "fewer.npz", fewer, origin)
    arguments = ["--embeddings", str(corpus / "fewer.npz"), "--trials", str(corpus / "trials"), "--no-plots"]
    assert main([*arguments, "-o", str(corpus / "out")]) == 1
    assert "no embeddings of 1 recordings in the trials: s3-2; --skip-missing" in capsys.readouterr().err
    report = run(corpus, "--no-plots", "--skip-missing", embeddings="fewer.npz")
    assert report["missing"] == ["s3-2"]
    assert (report["trials"]["trials"]["trials"], report["trials"]["trials"]["skipped"]) == (1081, 47)
    kept = [line for line in (corpus / "trials").read_text().splitlines() if "s3-2" not in line]
    (corpus / "kept").write_text("\n".join(kept))
    whole = run(corpus, "--no-plots", "--skip-missing", trials="kept")["trials"]["kept"]
    assert whole == {**report["trials"]["trials"], "skipped": 0}
    (corpus / "none").write_text("s3-2 s0-0 target\n")
    assert main([*arguments[:2], "--trials", str(corpus / "none"), "--skip-missing", "-o", "x"]) == 1
    assert "both embeddings of no trial in none" in capsys.readouterr().err


def test_enrolment_of_several_recordings(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name is the mean of its recordings' embeddings, whatever else is called so."""
    groups = {f"s{n}": [f"s{n}-{i}" for i in range(3)] for n in range(8)}
    groups["s0-4"] = ["s1-0", "s1-1", "absent"]  # also the name of a recording
    (corpus / "enrol").write_text("".join(f"{name} {' '.join(of)}\n" for name, of in groups.items()))
    lines = [f"s{a} s{b}-5 {'tgt' if a == b else 'imp'}" for a in range(8) for b in range(8)]
    (corpus / "models").write_text("\n".join([*lines, "s0-4 s0-4 imp", "s0-0 s0-4 tgt"]))
    cohort = ("--cohort", str(corpus / "cohort.npz"), "--enrol", str(corpus / "enrol"), "--no-plots")
    run(corpus, *cohort, "--skip-missing", trials="models")
    mean = np.load(corpus / "cohort.npz")["embeddings"].mean(0, dtype=np.float64)
    rows = {name: row - mean for name, row in read_embeddings(corpus / "eval.npz")[0].items()}
    scores = {}
    for line in (corpus / "out" / "models.score").read_text().splitlines():
        a, b, value, _ = line.split()
        enrolled = np.mean([rows[name] for name in groups.get(a, [a]) if name != "absent"], axis=0)
        cosine = enrolled @ rows[b] / np.linalg.norm(enrolled) / np.linalg.norm(rows[b])
        assert float(value) == pytest.approx(cosine, abs=6e-6)
        scores[a, b] = float(value)
    assert len(scores) == 66
    arguments = ["--embeddings", str(corpus / "eval.npz"), "--trials", str(corpus / "models"), "-o", "x"]
    assert main([*arguments, *cohort]) == 1
    assert "no embeddings of 1 recordings in the trials: absent" in capsys.readouterr().err
    (corpus / "enrol").write_text("s0\n")
    assert main([*arguments, *cohort]) == 1
    assert "enrol, line 1: expected \"name recording ...\", got 's0'" in capsys.readouterr().err


def test_a_cohort_of_speakers(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As if the cohort held each speaker's mean, less the mean of all recordings."""
    found, origin = read_embeddings(corpus / "cohort.npz")
    assert origin is not None
    of: dict[str, list[np.ndarray]] = {}
    for name, row in found.items():
        of.setdefault(name.partition("-")[0], []).append(row)
    of["s8"] = of["s8"][:1]  # not all speakers have the same number of recordings
    fewer = {f"{speaker}-{i}": row for speaker, rows in of.items() for i, row in enumerate(rows)}
    write_embeddings(corpus / "fewer.npz", fewer, origin)
    means = {speaker: np.mean(rows, axis=0, dtype=np.float64) for speaker, rows in of.items()}
    write_embeddings(corpus / "means.npz", means, origin)
    np.save(corpus / "mean.npy", np.mean(list(fewer.values()), axis=0, dtype=np.float64))
    (corpus / "utt2spk").write_text("".join(f"{name} {name.partition('-')[0]}\n" for name in fewer))
    norm = ("--no-plots", "--norm", "asnorm", "--top", "12")
    speakers = ("--cohort", str(corpus / "fewer.npz"), "--cohort-speakers", str(corpus / "utt2spk"))
    averaged = run(corpus, *norm, *speakers)["trials"]["trials"]
    direct = run(corpus, *norm, "--cohort", str(corpus / "means.npz"), "--mean", str(corpus / "mean.npy"))
    assert averaged["eer_percent"] == pytest.approx(direct["trials"]["trials"]["eer_percent"], rel=1e-6)
    assert averaged["eer_threshold"] == pytest.approx(direct["trials"]["trials"]["eer_threshold"], rel=1e-5)
    assert averaged != run(corpus, *norm, *speakers[:2])["trials"]["trials"]
    arguments = ["--embeddings", str(corpus / "eval.npz"), "--trials", str(corpus / "trials"), "-o", "x"]
    (corpus / "utt2spk").write_text("s8-0 s8\n")
    for options, message in (
        (speakers, "utt2spk: it has no speaker of 124 recordings of "),
        (speakers[2:], "--cohort-speakers "),
    ):
        assert main([*arguments, *options]) == 1
        assert message in capsys.readouterr().err


def test_an_embedding_without_direction_is_named(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, origin = read_embeddings(corpus / "eval.npz")
    assert origin is not None
    write_embeddings(corpus / "zero.npz", {**found, "s2-3": np.zeros(16, np.float32)}, origin)
    arguments = ["--trials", str(corpus / "trials"), "-o", "x", "--no-plots"]
    for options in (
        ["--embeddings", str(corpus / "zero.npz")],
        [
            *("--embeddings", str(corpus / "eval.npz"), "--cohort", str(corpus / "zero.npz")),
            *("--no-mean", "--norm", "snorm"),
        ],
    ):
        assert main([*arguments, *options]) == 1
        assert "the embedding of s2-3 is zero and has no direction" in capsys.readouterr().err


@pytest.mark.parametrize("top", [None, 2, 300, 5000, 9000])
def test_a_cohort_in_blocks(top: int | None) -> None:
    """Larger than a block, not a multiple of one: as computed at once, in a fraction of the memory."""
    import tracemalloc

    rng = np.random.default_rng(5)
    rows, cohort = normalised(rng.standard_normal((700, 4))), normalised(rng.standard_normal((9000, 4)))
    scores = rows @ cohort.T
    if top is not None:
        scores = np.sort(scores, axis=1)[:, 9000 - top :]
    tracemalloc.start()
    found = cohort_statistics(rows, cohort.astype(np.float32), top)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(found.mean, scores.mean(1), atol=1e-7)
    np.testing.assert_allclose(found.deviation, scores.std(1), atol=1e-7)
    if top in (None, 2, 300):
        assert peak < 1.1 * 8 * len(rows) * len(cohort), "all scores and a sorted copy were twice that"


def test_an_index_with_a_byte_order_mark(corpus: Path) -> None:
    index = (corpus / "eval.scp").read_text()
    (corpus / "marked.scp").write_text("\ufeff" + index, encoding="utf-8")
    assert list(read_embeddings(corpus / "marked.scp")[0]) == list(read_embeddings(corpus / "eval.npz")[0])
