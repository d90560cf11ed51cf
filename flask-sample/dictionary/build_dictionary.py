"""Writes data/dictionary.json from WordNet's database files.

    apt-get download wordnet-base && dpkg-deb -x wordnet-base_*.deb wordnet
    python3 build_dictionary.py wordnet/usr/share/wordnet

The words are a few that a visitor tries first, and those most often seen in WordNet's own tagged texts (cntlist), until the file would grow too large.
The formats of the files are described in the manual pages wndb(5WN) and cntlist(5WN).
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path

MAX_BYTES = 2_400_000
MAX_SENSES = 3
MAX_EXAMPLES = 2
ALWAYS = ["hello", "gateway", "computer", "plugin"]
PARTS = {"noun": "noun", "verb": "verb", "adj": "adjective", "adv": "adverb"}
SYMBOLS = {"n": "noun", "v": "verb", "a": "adj", "s": "adj", "r": "adv"}
WORD = re.compile(r"[a-z]+(-[a-z]+)*")
MARKER = re.compile(r"\((a|p|ip)\)$")  # where an adjective may stand


def readable(lemma: str) -> str:
    return MARKER.sub("", lemma).replace("_", " ")


def split_gloss(gloss: str) -> tuple[str, list[str]]:
    """A gloss is the definition, then examples in quotation marks, parted by semicolons."""
    examples = [text.strip() for text in re.findall(r'"([^"]+)"', gloss)]
    definition = gloss.split('"', 1)[0].strip().rstrip(";").strip()
    return definition, examples


class Synset:
    def __init__(self, line: str) -> None:
        fields, gloss = line.split(" | ", 1)
        parts = fields.split()
        count = int(parts[3], 16)
        self.words = [parts[4 + 2 * index] for index in range(count)]
        at = 4 + 2 * count
        self.pointers = [tuple(parts[at + 1 + 4 * n : at + 5 + 4 * n]) for n in range(int(parts[at]))]
        self.definition, self.examples = split_gloss(gloss.strip())

    def antonyms(self, lemma: str, database: "Database") -> list[str]:
        """Antonymy holds between words, not synsets: a pointer names the number of each."""
        own = [MARKER.sub("", word).lower() for word in self.words].index(lemma) + 1
        return [
            readable(database.synset(SYMBOLS[part], offset).words[int(ends[2:], 16) - 1])
            for symbol, offset, part, ends in self.pointers
            if symbol == "!" and int(ends[:2], 16) == own
        ]


class Database:
    def __init__(self, folder: Path) -> None:
        self.data = {part: (folder / f"data.{part}").read_bytes() for part in PARTS}
        self.index = {part: self._read_index(folder / f"index.{part}") for part in PARTS}

    @staticmethod
    def _read_index(file: Path) -> dict[str, list[str]]:
        lines = (line.split() for line in file.read_text().splitlines() if not line.startswith(" "))
        return {fields[0]: fields[-int(fields[2]) :] for fields in lines}

    def synset(self, part: str, offset: str) -> Synset:
        start = int(offset)
        return Synset(self.data[part][start : self.data[part].index(b"\n", start)].decode())

    def meanings(self, lemma: str) -> dict[str, list[dict[str, object]]]:
        """The senses of a word by part of speech, the commonest first, as WordNet orders them."""
        return {
            name: [self._sense(lemma, self.synset(part, offset)) for offset in offsets[:MAX_SENSES]]
            for part, name in PARTS.items()
            if (offsets := self.index[part].get(lemma))
        }

    def _sense(self, lemma: str, synset: Synset) -> dict[str, object]:
        return {
            "definition": synset.definition,
            "synonyms": [readable(word) for word in synset.words if MARKER.sub("", word).lower() != lemma],
            "antonyms": synset.antonyms(lemma, self),
            "examples": synset.examples[:MAX_EXAMPLES],
        }


def by_frequency(folder: Path) -> list[str]:
    """Lemmas, most often tagged first. A line is: count, sense key, sense number."""
    counts: Counter[str] = Counter()
    for line in (folder / "cntlist").read_text().splitlines():
        count, sense_key, _ = line.split()
        counts[sense_key.split("%", 1)[0]] += int(count)
    return [lemma for lemma, _ in counts.most_common() if WORD.fullmatch(lemma)]


def main(folder: Path) -> None:
    database = Database(folder)
    lines: dict[str, str] = {}
    size = 0
    for lemma in dict.fromkeys(ALWAYS + by_frequency(folder)):
        if not (meanings := database.meanings(lemma)):
            continue
        line = f"{json.dumps(lemma)}:{json.dumps(meanings, separators=(',', ':'))}"
        size += len(line) + 2
        if size > MAX_BYTES:
            break
        lines[lemma] = line
    target = Path(__file__).parent / "data" / "dictionary.json"
    # One word a line, so that a difference can be read.
    target.write_text("{\n" + ",\n".join(lines[lemma] for lemma in sorted(lines)) + "\n}\n")
    print(f"{len(lines)} words, {target.stat().st_size} bytes in {target}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
