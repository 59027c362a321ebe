"""Some cases of the fuzzer for each reader; many more by hand, see tests/fuzz.py."""

from __future__ import annotations

import pytest

from tests import fuzz


@pytest.mark.parametrize("reader", fuzz.READERS, ids=lambda reader: reader.name)
def test_a_damaged_file_makes_sense_or_is_one_line(reader: fuzz.Reader) -> None:
    fuzz.run(reader, cases=40)


#: What many cases found: the reader, how its good file was damaged, and what is said now.
FOUND = [
    ("VCF", lambda data: data.replace(b"\t90,5,5:100", b""), "not a readable VCF record"),
    ("BED", lambda data: data.replace(b"100", b"99999999999999999999"), "no position lies beyond"),
    (
        "sites as VCF",
        lambda data: data.replace(b"\tPASS\tGENE=TP53;AF=0.1\tAD:DP:AF\t900,100:1000:0.1", b""),
        "neither a VCF nor",
    ),
]


@pytest.mark.parametrize(("name", "damage", "said"), FOUND, ids=[name for name, *_ in FOUND])
def test_what_was_found_is_one_line_now(name, damage, said, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    reader = next(reader for reader in fuzz.READERS if reader.name == name)
    path = tmp_path / reader.file
    path.write_bytes(damage(reader.seeds[0]))
    with pytest.raises(ValueError, match=f"^{reader.file}.*{said}"):
        reader.check(type(path)(reader.file))


@pytest.mark.parametrize("reader", fuzz.READERS, ids=lambda reader: reader.name)
def test_the_undamaged_file_is_read(reader: fuzz.Reader, tmp_path, monkeypatch) -> None:
    """Else the fuzzer would only see how good files are refused."""
    monkeypatch.chdir(tmp_path)
    for data in reader.seeds:
        path = tmp_path / reader.file
        path.write_bytes(data)
        reader.check(type(path)(reader.file))
