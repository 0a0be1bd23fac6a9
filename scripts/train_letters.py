"""Learn the rules from letters to sounds of ``zoo/text/letters.py`` from a pronouncing dictionary.

  python -m scripts.train_letters --dictionary cmudict.dict -o zoo/text/letters.npz

Every letter is first given what it sounds, nothing or one or two phonemes, so that the same letters sound the
same as often as can be (by dynamic programming, the counts taken again six times, as in A. W. Black, K. Lenzo
and V. Pagel, "Issues in building general letter to sound rules", 1998). A bidirectional recurrent network
then learns that. One word in twenty is kept apart, and the share of those that it gets right is printed.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch import nn

from zoo.files import atomic
from zoo.text.letters import LETTERS, edges

Unit = tuple[str, ...]
Pair = tuple[str, tuple[str, ...]]  # a word and its phonemes
_MOST = 2  # phonemes of a letter
_ROUNDS = 6
_FEW = 8  # words with the same consonants at their beginning or end, that these are no chance
_WORST = 0.02  # the share of words whose sounds go with their letters worst: initials, foreign names
_ENTRY = re.compile(r"^([a-z][a-z']*)(?:\(\d+\))?\s+([A-Z][A-Z0-9 ]*?)\s*(?:#.*)?$")


def read_pairs(path: Path) -> list[Pair]:
    """Words of letters with their first pronunciation, in the dictionary's order."""
    found: dict[str, tuple[str, ...]] = {}
    for line in path.read_text("utf-8").splitlines():
        if entry := _ENTRY.match(line):
            found.setdefault(entry[1], tuple(entry[2].split()))
    return [(word, said) for word, said in found.items() if len(word) > 1]


def align(pairs: list[Pair]) -> list[tuple[str, list[Unit]]]:
    """Words with what each of their letters sounds; those left out that do not go with their letters."""
    scores: dict[tuple[str, Unit], float] = {}
    for _ in range(_ROUNDS):
        counts: Counter[tuple[str, Unit]] = Counter()
        for word, said in pairs:
            if found := _best(word, said, scores):
                counts.update(zip(word, found[1], strict=True))
        totals = Counter(letter for letter, _ in counts.elements())
        scores = {key: math.log(count / totals[key[0]]) for key, count in counts.items() if count > 1}
    aligned = [(word, found) for word, said in pairs if (found := _best(word, said, scores))]
    aligned.sort(key=lambda item: item[1][0] / len(item[0]))
    return [(word, units) for word, (_, units) in aligned[int(_WORST * len(aligned)) :]]


def _best(
    word: str, said: tuple[str, ...], scores: dict[tuple[str, Unit], float]
) -> tuple[float, list[Unit]]:
    """The likeliest way to share phonemes among letters, and its logarithm; nothing where there is none."""
    best: dict[int, tuple[float, list[Unit]]] = {0: (0.0, [])}
    for index, letter in enumerate(word):
        following: dict[int, tuple[float, list[Unit]]] = {}
        for used, (score, units) in best.items():
            for more in range(_MOST + 1):
                unit = said[used : used + more]
                if len(unit) == more:
                    plain = (-1.5, -1.0, -4.0)[more] - 2 * abs(
                        (used + 1) / len(said) - (index + 1) / len(word)
                    )
                    own = scores.get((letter, unit), -12.0) if scores else plain
                    if used + more not in following or following[used + more][0] < score + own:
                        following[used + more] = (score + own, [*units, unit])
        best = following
    return best.get(len(said), ())  # type: ignore[return-value]


class Letters(nn.Module):
    """(B, N) letters, -1 behind a word, to (B, N, units) logits."""

    def __init__(self, units: int, width: int, hidden: int) -> None:
        super().__init__()
        self.letters = nn.Embedding(len(LETTERS), width)
        self.gru = nn.GRU(width, hidden, 2, batch_first=True, bidirectional=True, dropout=0.2)
        self.units = nn.Linear(2 * hidden, units)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lengths = (x >= 0).sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(
            self.letters(x.clamp(min=0)), lengths, batch_first=True, enforce_sorted=False
        )
        return self.units(nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0], batch_first=True)[0])


def batches(
    examples: list[tuple[list[int], list[int]]], size: int, generator: np.random.Generator
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Letters and units of words that are about as long as each other, in a new order each time."""
    order = sorted(generator.permutation(len(examples)), key=lambda i: len(examples[i][0]))
    found = []
    for begin in range(0, len(order), size):
        part = [examples[i] for i in order[begin : begin + size]]
        most = max(len(letters) for letters, _ in part)
        rows = [[values + [-1] * (most - len(values)) for values in pair] for pair in part]
        letters, units = torch.tensor(rows).unbind(1)
        found.append((letters, units))
    generator.shuffle(found)
    return found


def train(examples: list[tuple[list[int], list[int]]], units: int, args: argparse.Namespace) -> Letters:
    """A network that has seen every example so many times."""
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    model = Letters(units, args.width, args.hidden)
    steps = args.epochs * (1 + len(examples) // args.batch)
    optimizer = torch.optim.AdamW(model.parameters(), 4e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps + args.epochs)
    for epoch in range(args.epochs):
        total = 0.0
        for letters, wanted in batches(examples, args.batch, generator):
            logits = model(letters)
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=-1)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(letters)
        print(f"epoch {epoch + 1}: loss {total / len(examples):.4f}", flush=True)
    return model.eval()


def clusters(pairs: list[Pair]) -> dict[str, np.ndarray]:
    """The consonants that several words begin and end with."""
    found = [edge for word, _ in pairs if (edge := edges(word))]
    counts = {"begins": Counter(begin for begin, _ in found), "ends": Counter(end for _, end in found)}
    return {
        name: np.array(",".join(sorted(edge for edge, n in count.items() if n >= _FEW)))
        for name, count in counts.items()
    }


def save(model: Letters, units: list[Unit], pairs: list[Pair], path: Path) -> None:
    """Parameters as whole numbers of a byte, with a scale a row."""
    arrays = clusters(pairs)
    arrays["sounds"] = np.array(",".join(" ".join(unit) for unit in units))
    names = {"letters.weight": "letters", "units.weight": "units", "units.bias": "units_bias"}
    for name, value in model.state_dict().items():
        own = value.numpy()
        scale = np.maximum(np.abs(own).max(-1, keepdims=True), 1e-9) / 127
        name = names.get(name, name.removeprefix("gru."))
        arrays[name] = np.round(own / scale).astype(np.int8)
        arrays[f"{name}.scale"] = scale.astype(np.float16 if own.ndim > 1 else np.float32)
    with atomic(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)


def right(model: Letters, pairs: list[Pair], units: list[Unit]) -> tuple[float, float]:
    """The share of words with all phonemes right, and with those but for stress."""
    counts = [0, 0]
    with torch.inference_mode():
        for word, said in pairs:
            best = model(torch.tensor([[LETTERS.index(letter) for letter in word]]))[0].argmax(-1)
            found = [phoneme for index in best.tolist() for phoneme in units[index]]
            counts[0] += found == list(said)
            counts[1] += re.sub(r"\d", "", " ".join(found)) == re.sub(r"\d", "", " ".join(said))
    return counts[0] / len(pairs), counts[1] / len(pairs)


def apart(word: str) -> bool:
    """Whether a word is one of those by which the rules are judged."""
    return hashlib.sha256(word.encode()).digest()[0] % 20 == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dictionary", type=Path, required=True, help="words and ARPAbet, as CMU's")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .npz file to write")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--hidden", type=int, default=96)
    args = parser.parse_args()
    pairs = read_pairs(args.dictionary)
    aligned = align([pair for pair in pairs if not apart(pair[0])])
    units = sorted({unit for _, found in aligned for unit in found})
    index = {unit: i for i, unit in enumerate(units)}
    examples = [
        ([LETTERS.index(letter) for letter in word], [index[unit] for unit in found])
        for word, found in aligned
    ]
    print(f"{len(pairs)} words, {len(examples)} to learn from, {len(units)} sounds of a letter", flush=True)
    model = train(examples, len(units), args)
    judged = [pair for pair in pairs if apart(pair[0])]
    whole, plain = right(model, judged, units)
    print(f"of {len(judged)} other words {whole:.1%} right, {plain:.1%} but for stress")
    save(model, units, pairs, args.output)


if __name__ == "__main__":
    main()
