"""Words that are written alike and said apart."""

from __future__ import annotations

import re

import pytest

from zoo.text.dictionary import as_read, english
from zoo.text.normalise import write_out
from zoo.text.symbols import ARPABET, PHONEMES

# A sentence, the word, and what is said.
SENTENCES = """
I read it yesterday. / read / R EH1 D
I will read it tomorrow. / read / R IY1 D
She has read it. / read / R EH1 D
We live here. / live / L IH1 V
Live music tonight. / live / L AY1 V
It saved many lives. / lives / L AY1 V Z
Close the door. / close / K L OW1 Z
She stood close to me. / close / K L OW1 S
Use the key. / use / Y UW1 Z
It is of no use. / use / Y UW1 S
We used to go. / used / Y UW1 S T
Wait a minute. / minute / M IH1 N AH0 T
In minute detail. / minute / M AY0 N UW1 T
A pipe made of lead. / lead / L EH1 D
She will lead us. / lead / L IY1 D
With a tear in her eye. / tear / T IH1 R
Do not tear it. / tear / T EH1 R
The wind is cold. / wind / W IH1 N D
Wind the clock. / wind / W AY1 N D
He plays the bass guitar. / bass / B EY1 S
He caught a bass in the lake. / bass / B AE1 S
They record a song. / record / R IH0 K AO1 R D
It is a world record. / record / R EH1 K ER0 D
They object to it. / object / AH0 B JH EH1 K T
The Polish team won. / polish / P OW1 L IH0 SH
Polish the shoes. / polish / P AA1 L IH0 SH
"""


@pytest.mark.parametrize("line", SENTENCES.strip().splitlines())
def test_homographs(line: str) -> None:
    sentence, word, wanted = line.split(" / ")
    written = write_out(sentence)
    said, _ = as_read(written, PHONEMES)
    place = re.findall(r"[a-z']+", written.lower()).index(word)
    assert re.findall(r"\{([^}]*)\}", said)[place] == wanted


def test_every_word_of_the_table_is_arpabet() -> None:
    from zoo.text.homographs import _table

    table = _table()
    said = [one for pair in table.pairs.values() for one in (pair.noun, pair.verb)]
    said += [line[2] for lines in table.lists.values() for line in lines] + list(table.names.values())
    assert len(said) > 500 and {phoneme for one in said for phoneme in one.split()} <= set(ARPABET)
    for lines in table.lists.values():
        assert lines[-1][0].pattern == lines[-1][1].pattern == "", "the last line fits always"
    assert all(english().phonemes(word) for word in table.lists)
