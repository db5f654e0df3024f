"""Tells the five languages apart by script, function words, and letters and endings that only one of them has.

Pure, and needs no library: what is used where pycld2 has no wheel, and where it is not sure. A function word counts
three times as much as an ending: endings are shared more often than words are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_WORD_WEIGHT: Final = 3

_ETHIOPIC: Final = re.compile(r"[\u1200-\u135a\u1380-\u138f]")
_LATIN: Final = re.compile(r"[A-Za-z\u00c0-\u024f]")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’ʼ‘`][^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class _Signs:
    """What speaks for a language: whole words, and patterns each of whose hits in a word counts once."""

    words: frozenset[str]
    patterns: tuple[re.Pattern[str], ...]

    def score(self, word: str) -> int:
        return _WORD_WEIGHT * (word in self.words) + sum(pattern.search(word) is not None for pattern in self.patterns)


def _signs(words: str, *patterns: str) -> _Signs:
    return _Signs(frozenset(words.split()), tuple(re.compile(pattern) for pattern in patterns))


_ETHIOPIC_SIGNS: Final = {
    "am": _signs(
        "ነው ናት ናቸው ነኝ ነህ ነሽ ነን ነበር ነበረ ነበሩ ነበረች አለ አለች አሉ አለኝ አለህ የለም የለኝም አይደለም እና ወደ ከ ጋር ውስጥ ላይ ስር በታች ፊት ምን "
        "ማን የት መቼ ለምን ስንት እንዴት ይህ ይህን ይሄ ያ ያን ይህች እነዚህ እሱ እሷ እኔ አንተ አንቺ እኛ እናንተ እነሱ እኔን የእኔ ዛሬ ነገ ትናንት አሁን በጣም ብዙ "
        "አንድ ሁለት ሁሉ ሁሉም ግን ወይም አዎ እሺ እባክህ እባክሽ እባክዎ እዚህ እዚያ ሰው ደግሞ እንደ ሰላም ጥሩ ብቻ ገና ሌላ ምንም ቤት ጊዜ አመሰግናለሁ",
        r"ለሁ$|ለህ$|ለሽ$|ለች$|ለን$|ላሉ$|ልኝ$",  # the imperfect's endings
        r"..ል$",
        r"^አ[ልይት].+ም$",  # a verb denied
        r"[ኛኝኞቿዟዷሏሯ]",
        r"^አ",
        r"^እ[የያ]..|^የ[^ቐ]..|^እንደ",
        r"..[ውዋች]$|ዎች|ኦች",
        r"..ህን?$|..ሽ$",
    ),
    "ti": _signs(
        "እዩ እያ እየ እዮም እየን ኢኻ ኢኺ ኢና ኢኹም ኢየ ኢዩ ኣሎ ኣላ ኣለዉ ኣለና ኣለኻ ኣለኺ ኣለኹ ነይሩ ነበረ ነይረ የለን የብለይን ኣይኮነን ከመይ እንታይ መን "
        "ኣበይ ናበይ መዓስ ስለምንታይ ንምንታይ ክንደይ ኣየናይ ናይ ናብ ካብ ኣብ ምስ ብዘይ እቲ እታ እቶም እተን እዚ እዛ እዞም ንሱ ንሳ ኣነ ንስኻ ንስኺ ንሕና ንስኹም "
        "ንሳቶም ንዓይ ሎሚ ጽባሕ ትማሊ ሕጂ ብጣዕሚ ብዙሕ ሓደ ክልተ ኩሉ ኩሎም ድማ እወ ኣይፋል ዶ ደኣ ከምኡ ከም ኣብዚ ኣብኡ ሰብ ጽቡቕ ጥራይ ካልእ ገለ ቅድሚ ድሕሪ "
        "ኣይኮነን በጃኻ በጃኺ ደሓን ክሳብ እንተ ኣሎኒ ኮይኑ ቁሩብ",
        r"[ቐ-ቝ]",
        r"[ኸ-ዅ]",
        r"ኣ",
        r"[ሓሑሒሔሕሖ]",
        r"[ዕዑዒዔዖ]",
        r"^ኣይ.+ን$",  # a verb denied
        r"^ክ[ትንኸሰ]?..|^ዝ..",
        r"..(?:ኒ|ካ|ኪ|ኩም|ኩን|ይ|ኡ|ዮ|ዎ|ያ)$",
    ),
}

_LATIN_SIGNS: Final = {
    "om": _signs(
        "akkam akkamitti akka maal maali maalif maaliif eessa eessatti eessaa yoom eenyu eenyuu meeqa kam kan "
        "kana kanaa kun sun sana ani ati inni isheen ishee nuti isin isaan ana koo kee isaa keenya keessan kiyya "
        "hin dha dhaa jira jirta jiru jirti jirra ture turte turan fi irra irraa irratti jala keessa keessatti "
        "gara naaf siif isaaf nuuf na si nan har'a boru kaleessa amma baay'ee baayyee gaarii galatoomi galatoomaa "
        "maaloo dhiifama eeyyee eyyee lakki mitii waan yoo garuu immoo moo ta'e ta'u tokko lama sadii nama namni "
        "namoota hunda hundi hundumaa barbaada danda'a danda'u deema afaan mana biyya wajjin waliin yeroo hojii "
        "guyyaa as achi wal walii ammas nagaa ofii yookiin booda dura",
        r"[aeiou]['’ʼ‘`][aeiou]",
        r"(?:ff|hh|jj|kk|pp|qq|ss|tt|ww|xx|yy|cc)",
        r"(?:ny|ph|dh)[aeiou]",
        r"(?:tti|oota|ummaa|iin|aan|een|eera|udha|dha|chuu|suu|uun|ni|fi|aaf|tuu)$",
        r"(?:ee|aa|ii|oo|uu)$",
        r"^[^aeiou]*(?:[aeiou]{1,2}[^aeiou]{1,3})+[iu]$",
        r"[aeiou]{2}.*[aeiou]{2}",
    ),
    "so": _signs(
        "waa waxaa waxaan waxay wuxuu waxaad waxa wax ayaa ayaan ayaad ayay ayuu ayey baa baan baad bay buu ma u "
        "ku ka iyo oo ee aad si sidee sida maxay maxaa maxaad maxuu muxuu halkan halkaas waan waad wuu way la soo "
        "sii i in uu inta inuu inay kale badan mid qof dad dadka tahay yahay ahay nahay yihiin hadda maanta berri "
        "shalay xalay xaggee halkee goorma imisa immisa yaa kee fadlan mahadsan mahadsanid haa maya maxaan walba "
        "karo kartaa karaa doonaa doonnaa leh ah ahaa jira jirto taas tan kan kani kaas aniga adiga isaga iyada "
        "iyadu isagu annaga innaga idinka kuu ii kaa ila kula iska is lagu laga loo wanaagsan fiican ugu uga kuma "
        "kama lama habeen subax magac weli haddii markii marka mar laakiin ama mise",
        r"x",
        r"c(?![hk])",
        r"[^aeiou]?(?:aan|ay|ahay|ayaa|aysaa|ayso|aad|aadda|adda|iisu|aagu?|ayaan)$",
        r"..(?:ka|ta|da|ga|ku|tu|du|gu|kan|tan|gan|uhu|aha|shay|day|hay|kii|tii|dii)$",
        r"[aeiou](?:y|q|d|g|l|r|b|h)$",
        r"(?:aa|ee|oo|uu|ii)",
        r"(?:dh|kh|sh|q)[aeiou]",
    ),
    "en": _signs(
        "the a an of to and or but in on at by for from with about as is are was were be been am i you he she it "
        "we they me my your his her its our their this that these those what who whose where when why how which "
        "do does did done not no yes have has had will would can could should shall may must there here please "
        "thank thanks good very much many some any all more now today tomorrow yesterday hello hi okay if so then "
        "than just like want need go come get give tell say time one two up down out into over again see let us "
        "him them too also stop help i'm it's don't can't",
        r"(?:ing|ed|tion|ly|ght|ck|nd|st|th|ss|ld|nt|er|es|rs|ts|ve|le|ful|ness|body|ple|ry|ny|ty)$",
        r"th|wh|gh|ck|qu|tch|igh",
        r"ea|ou|oa|ow|ew|ie|ay[^aeiou]|ue",
        r"^(?:str|spr|cl|pl|bl|fr|br|tr|dr|gr|st|sp|sl|sm|sn|sc|sk|cr|pr|fl|gl)",
        r"v|z|p|[^d]y$",
        r"[^aeiou]{2}e$|[aeiou][^aeiou]e$",
        r"['’](?:s|t|m|re|ll|ve|d)$",
    ),
}


def script(text: str) -> str | None:
    """Return "ethiopic" or "latin", whichever most letters are of; None without a letter of either."""
    ethiopic, latin = len(_ETHIOPIC.findall(text)), len(_LATIN.findall(text))
    if ethiopic == latin == 0:
        return None
    # A word has half as many Ethiopic letters as Latin ones: each is a syllable.
    return "ethiopic" if 2 * ethiopic >= latin else "latin"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The language that most signs speak for, and by how many more than for the next one."""

    language: str
    lead: int


def weighed(text: str) -> Verdict | None:
    """Return what the signs of a text say; None for a text without letters of the languages' scripts."""
    match script(text):
        case "ethiopic":
            return _strongest(text, _ETHIOPIC_SIGNS, otherwise="am")
        case "latin":
            return _strongest(text, _LATIN_SIGNS, otherwise="en")
        case _:
            return None


def _strongest(text: str, signs: dict[str, _Signs], *, otherwise: str) -> Verdict:
    words = [word.replace("’", "'").replace("ʼ", "'") for word in _WORD.findall(text.lower())]
    scores = {language: sum(sign.score(word) for word in words) for language, sign in signs.items()}
    second, first = sorted(scores.values())[-2:]
    leading = max(scores, key=scores.__getitem__) if first > second else otherwise
    return Verdict(leading, first - second)
