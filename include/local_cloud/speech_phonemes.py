"""Phonetic alphabets: IPA and X-SAMPA to the engine's notation, and the engine's IPA to Polly's visemes."""

from __future__ import annotations

# X-SAMPA where it differs from IPA; longest first when read.
_X_SAMPA = {
    "r\\": "ɹ", "tS": "tʃ", "dZ": "dʒ", "@`": "ɚ", "3`": "ɝ", "_^": "", "_h": "", "A": "ɑ", "B": "β", "C": "ç",
    "D": "ð", "E": "ɛ", "F": "ɱ", "G": "ɣ", "H": "ɥ", "I": "ɪ", "J": "ɲ", "K": "ɬ", "L": "ʎ", "M": "ɯ", "N": "ŋ",
    "O": "ɔ", "P": "ʋ", "Q": "ɒ", "R": "ʁ", "S": "ʃ", "T": "θ", "U": "ʊ", "V": "ʌ", "W": "ʍ", "X": "χ", "Y": "ʏ",
    "Z": "ʒ", "@": "ə", "{": "æ", "}": "ʉ", "1": "ɨ", "2": "ø", "3": "ɜ", "4": "ɾ", "5": "l", "6": "ɐ", "7": "ɤ",
    "8": "ɵ", "9": "œ", "&": "ɶ", "?": "ʔ", "%": "ˌ", '"': "ˈ", ":": "ː", "g": "ɡ",
}  # fmt: skip
# IPA to the engine's notation. Consonants are the same in its phoneme tables of most languages.
_CONSONANTS = {
    "p": "p", "b": "b", "t": "t", "d": "d", "k": "k", "ɡ": "g", "g": "g", "f": "f", "v": "v", "θ": "T", "ð": "D",
    "s": "s", "z": "z", "ʃ": "S", "ʒ": "Z", "h": "h", "m": "m", "n": "n", "ŋ": "N", "l": "l", "ɹ": "r", "r": "r",
    "j": "j", "w": "w", "tʃ": "tS", "dʒ": "dZ", "t͡ʃ": "tS", "d͡ʒ": "dZ", "ʔ": "?", "x": "x", "ç": "C", "ɲ": "n^",
    "ʎ": "l^", "ʁ": "r", "ɾ": "r", "ts": "ts", "pf": "pf", "ɣ": "Q", "β": "B",
}  # fmt: skip
_STRESS = {"ˈ": "'", "ˌ": ",", "'": "'", ".": "", " ": "_:", "ʰ": "", "͡": "", "-": ""}
_ENGLISH_VOWELS = {
    "iː": "i:", "i": "i:", "ɪ": "I", "e": "E", "eɪ": "eI", "ɛ": "E", "æ": "a", "a": "a", "ɑː": "A:", "ɑ": "A:",
    "ɒ": "0", "ɔː": "O:", "ɔ": "O:", "o": "oU", "oʊ": "oU", "əʊ": "oU", "ʊ": "U", "uː": "u:", "u": "u:", "ʌ": "V",
    "ɝ": "3:", "ɜː": "3:", "ɜ": "3:", "ɚ": "3", "ə": "@", "ɐ": "a#", "aɪ": "aI", "aʊ": "aU", "ɔɪ": "OI",
    "ɪə": "i@", "eə": "e@", "ʊə": "U@", "ɑɹ": "A@", "ɔɹ": "O@",
}  # fmt: skip
_OTHER_VOWELS = {
    "i": "i", "e": "e", "ɛ": "E", "a": "a", "ɑ": "A", "o": "o", "ɔ": "O", "u": "u", "y": "y", "ø": "Y", "œ": "W",
    "ə": "@", "ɪ": "I", "ʊ": "U", "ʏ": "y", "ː": ":",
}  # fmt: skip

# Polly's visemes, by the first of the engine's IPA symbols that appears in a phoneme; longest first when read.
_VISEMES = {
    "p": ("p", "b", "m"),
    "t": ("t", "d", "n", "l", "ɾ", "ɖ", "ʈ", "ɳ", "ɫ", "ɭ"),
    "S": ("ʃ", "ʒ", "tʃ", "dʒ", "ɕ", "ʑ", "ʂ", "ʐ"),
    "T": ("θ", "ð"),
    "f": ("f", "v", "ʋ", "ɱ"),
    "k": ("k", "ɡ", "g", "ŋ", "h", "x", "ɣ", "χ", "ʔ", "q", "ɲ", "ç", "c", "ɟ", "ʎ", "ħ", "ʕ", "ɬ"),
    "i": ("i", "ɪ", "j", "ɨ", "y", "ʏ", "ᵻ"),
    "r": ("r", "ɹ", "ʁ", "ʀ", "ɻ", "ɽ"),
    "s": ("s", "z", "ts", "dz"),
    "u": ("u", "ʊ", "w", "ɯ", "ʉ", "ɥ", "ʍ"),
    "@": ("ə", "ɚ", "ɜ", "ɝ", "ɐ", "ʌ", "ɵ", "ɤ"),
    "a": ("a", "ɑ", "æ", "aɪ", "aʊ", "ɒ", "ɶ"),
    "e": ("e", "eɪ", "ø"),
    "E": ("ɛ", "œ"),
    "o": ("o", "oʊ"),
    "O": ("ɔ", "ɔɪ"),
}
_VISEME_OF = {symbol: viseme for viseme, symbols in _VISEMES.items() for symbol in symbols}
SILENCE_VISEME = "sil"


def engine_phonemes(phonetic: str, *, alphabet: str, language_code: str) -> str | None:
    """The engine's notation of a pronunciation, or ``None`` if a symbol has none.

    :param alphabet: ``ipa`` or ``x-sampa``; Amazon's own alphabets are not understood
    :param language_code: whose vowels are meant
    """
    if alphabet == "x-sampa":
        phonetic = _from_x_sampa(phonetic)
    elif alphabet != "ipa":
        return None
    vowels = _ENGLISH_VOWELS if language_code.startswith("en") else _OTHER_VOWELS
    table = {**_CONSONANTS, **vowels, **_STRESS}
    mnemonics: list[str] = []
    index = 0
    while index < len(phonetic):
        symbol = next(
            (phonetic[index : index + size] for size in (3, 2, 1) if phonetic[index : index + size] in table), ""
        )
        if not symbol:
            if phonetic[index] != "ː":
                return None
            symbol = "ː"
        mnemonics.append(table.get(symbol, ""))
        index += len(symbol)
    # A bar keeps two symbols from being read as one; a sign of stress belongs to what follows it.
    return "".join(sign if sign in "'," else f"{sign}|" for sign in mnemonics if sign).rstrip("|") or None


def viseme(ipa: str) -> str:
    """Polly's viseme for one of the engine's phonemes."""
    bare = ipa.lstrip("ˈˌ'")
    for size in (2, 1):
        found = _VISEME_OF.get(bare[:size])
        if found is not None:
            return found
    return SILENCE_VISEME


def _from_x_sampa(phonetic: str) -> str:
    result: list[str] = []
    index = 0
    while index < len(phonetic):
        pair = phonetic[index : index + 2]
        if len(pair) == 2 and pair in _X_SAMPA:
            result.append(_X_SAMPA[pair])
            index += 2
        else:
            result.append(_X_SAMPA.get(phonetic[index], phonetic[index]))
            index += 1
    return "".join(result)
