"""Pronunciation lexicons: stored per Region, read as PLS, applied to their own language."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.local_cloud.server import LocalCloud
from tests.local_cloud.cloud_helpers import BUCKET, client, ended, start


def pls(*lexemes: tuple[str, str], language: str = "en-US", alphabet: str = "ipa") -> str:
    entries = "".join(
        f"<lexeme><grapheme>{grapheme}</grapheme><alias>{alias}</alias></lexeme>" for grapheme, alias in lexemes
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<lexicon version="1.0"'
        ' xmlns="http://www.w3.org/2005/01/pronunciation-lexicon"'
        f' alphabet="{alphabet}" xml:lang="{language}">{entries}</lexicon>'
    )


W3C = pls(("W3C", "World Wide Web Consortium"))


@pytest.fixture(autouse=True)
def _empty(polly: Any) -> Any:
    yield
    for lexicon in polly.list_lexicons()["Lexicons"]:
        polly.delete_lexicon(Name=lexicon["Name"])


def test_a_lexicon_is_kept_described_and_deleted(polly: Any) -> None:
    polly.put_lexicon(Name="w3c", Content=W3C)
    found = polly.get_lexicon(Name="w3c")
    assert found["Lexicon"] == {"Name": "w3c", "Content": W3C}
    attributes = found["LexiconAttributes"]
    assert attributes.pop("LastModified")
    assert attributes == {
        "Alphabet": "ipa",
        "LanguageCode": "en-US",
        "LexemesCount": 1,
        "LexiconArn": "arn:aws:polly:us-east-1:123456789012:lexicon/w3c",
        "Size": len(W3C.encode()),
    }
    pages = polly.get_paginator("list_lexicons").paginate()
    assert [lexicon["Name"] for page in pages for lexicon in page["Lexicons"]] == ["w3c"]
    polly.delete_lexicon(Name="w3c")
    for call in (polly.get_lexicon, polly.delete_lexicon):
        with pytest.raises(polly.exceptions.LexiconNotFoundException) as gone:
            call(Name="w3c")
        assert gone.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_putting_again_replaces(polly: Any) -> None:
    polly.put_lexicon(Name="one", Content=W3C)
    polly.put_lexicon(Name="one", Content=pls(("a", "b"), ("c", "d")))
    assert polly.get_lexicon(Name="one")["LexiconAttributes"]["LexemesCount"] == 2


def test_a_lexicon_belongs_to_its_region(cloud: LocalCloud, polly: Any) -> None:
    polly.put_lexicon(Name="here", Content=W3C)
    assert client("polly", cloud.speech_url, region="eu-west-1").list_lexicons()["Lexicons"] == []


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("not xml", "InvalidLexiconException"),
        ("<lexicon/>", "InvalidLexiconException"),
        (W3C.replace("<grapheme>W3C</grapheme>", ""), "InvalidLexiconException"),
        (W3C.replace("<alias>World Wide Web Consortium</alias>", ""), "InvalidLexiconException"),
        (pls(("a", "b"), alphabet="klingon"), "UnsupportedPlsAlphabetException"),
        (pls(("a", "b"), language="tlh"), "UnsupportedPlsLanguageException"),
        (W3C + " " * 40_000, "LexiconSizeExceededException"),
        (pls(("a", "b" * 101)), "MaxLexemeLengthExceededException"),
    ],
)
def test_a_lexicon_that_breaks_a_rule_is_refused_by_name(polly: Any, content: str, name: str) -> None:
    with pytest.raises(ClientError) as refused:
        polly.put_lexicon(Name="bad", Content=content)
    response = refused.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (name, 400)


def test_names_are_alphanumeric_and_short(polly: Any) -> None:
    for name in ("with-dash", "x" * 21):
        with pytest.raises(ClientError, match="at 'name' failed to satisfy constraint"):
            polly.put_lexicon(Name=name, Content=W3C)


def test_the_hundred_and_first_lexicon_is_refused(polly: Any) -> None:
    for number in range(100):
        polly.put_lexicon(Name=f"n{number}", Content=W3C)
    with pytest.raises(polly.exceptions.MaxLexiconsNumberExceededException):
        polly.put_lexicon(Name="onemore", Content=W3C)
    polly.put_lexicon(Name="n0", Content=W3C)


def test_only_lexicons_of_the_language_spoken_are_applied(polly: Any, s3: Any) -> None:
    polly.put_lexicon(Name="american", Content=W3C)
    polly.put_lexicon(Name="british", Content=pls(("a", "b"), language="en-GB"))
    for voice, names, applied in (("Joanna", ["american", "british"], 1), ("Amy", ["american"], 0)):
        task = ended(polly, start(polly, VoiceId=voice, LexiconNames=names)["TaskId"])
        assert task["LexiconNames"] == names
        key = task["OutputUri"].partition(f"/{BUCKET}/")[2]
        assert json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())[4] == applied


def test_an_external_entity_reads_no_file(polly: Any) -> None:
    content = W3C.replace("?>\n", '?>\n<!DOCTYPE lexicon [<!ENTITY x SYSTEM "file:///etc/hostname">]>', 1)
    polly.put_lexicon(Name="entity", Content=content.replace("World", "&x;"))
    assert "&x;" in polly.get_lexicon(Name="entity")["Lexicon"]["Content"]
