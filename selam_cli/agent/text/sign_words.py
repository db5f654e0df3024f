"""What signs, units and short forms are called in each language: %, &, $, km, ዶ/ር."""

from __future__ import annotations

from typing import Final

SIGNS: Final[dict[str, dict[str, str]]] = {
    "am": {
        ">=": "ይበልጣል ወይም እኩል ይሆናል", "<=": "ያንሳል ወይም እኩል ይሆናል", "!=": "እኩል አይደለም", ">": "ይበልጣል", "<": "ያንሳል",
        "±": "ሲደመር ወይም ሲቀነስ", "×": "ሲባዛ በ", "÷": "ሲካፈል ለ", "==": "እኩል ይሆናል",
        "%": "በመቶ", "&": "እና", "+": "ሲደመር", "=": "እኩል ይሆናል", "°": "ዲግሪ", "@": "አት", "-": "ኔጌቲቭ", "–": "እስከ",
        "$": "ዶላር", "€": "ዩሮ", "£": "ፓውንድ", "km": "ኪሎ ሜትር", "cm": "ሴንቲ ሜትር", "kg": "ኪሎ ግራም", "°C": "ዲግሪ ሴልሺየስ",
    },
    "ti": {
        ">=": "ይዓቢ ወይ ማዕረ", "<=": "ይንእስ ወይ ማዕረ", "!=": "ማዕረ ኣይኮነን", ">": "ይዓቢ", "<": "ይንእስ", "±": "ምድማር ወይ ምንካይ",
        "×": "ምርባሕ", "÷": "ምምቃል", "==": "ማዕረ",
        "%": "ሚእታዊት", "&": "ከምኡውን", "+": "ምድማር", "=": "ማዕረ", "°": "ዲግሪ", "@": "ኣት", "-": "ኣሉታ", "–": "ክሳብ",
        "$": "ዶላር", "€": "ዩሮ", "£": "ፓውንድ", "km": "ኪሎ ሜተር", "cm": "ሰንቲ ሜተር", "kg": "ኪሎ ግራም", "°C": "ዲግሪ ሰልስየስ",
    },
    "om": {
        ">=": "irra guddaa yookiin walqixa", "<=": "irra xiqqaa yookiin walqixa", "!=": "walqixa miti",
        ">": "irra guddaa", "<": "irra xiqqaa", "±": "ida'uu yookiin hir'isuu", "×": "baay'isuu", "÷": "hiruu",
        "==": "walqixa",
        "%": "dhibbantaa", "&": "fi", "+": "ida'uu", "=": "walqixa", "°": "digirii", "@": "at", "-": "negaatiivii",
        "–": "hanga", "$": "doolaara", "€": "yuuroo", "£": "paawundii", "km": "kiiloomeetira", "cm": "seentiimeetira",
        "kg": "kiiloogiraama", "°C": "digirii seelshiyeesii",
    },
    "so": {
        ">=": "ka weyn ama le'eg", "<=": "ka yar ama le'eg", "!=": "aan le'ekayn", ">": "ka weyn", "<": "ka yar",
        "±": "lagu daray ama laga jaray", "×": "lagu dhuftay", "÷": "loo qaybiyey", "==": "waxay le'eg tahay",
        "%": "boqolkiiba", "&": "iyo", "+": "lagu daray", "=": "waxay le'eg tahay", "°": "digrii", "@": "at",
        "-": "laga jaray", "–": "ilaa", "$": "doolar", "€": "yuuro", "£": "gini", "km": "kiiloomitir",
        "cm": "sentimitir", "kg": "kiilogaraam", "°C": "digrii selsiyas",
    },
    "en": {
        ">=": "is greater than or equal to", "<=": "is less than or equal to", "!=": "is not equal to",
        ">": "is greater than", "<": "is less than", "±": "plus or minus", "×": "times", "÷": "divided by",
        "==": "equals",
        "%": "percent", "&": "and", "+": "plus", "=": "equals", "°": "degrees", "@": "at", "-": "minus", "–": "to",
        "$": "dollars", "€": "euros", "£": "pounds", "km": "kilometres", "cm": "centimetres", "kg": "kilograms",
        "°C": "degrees Celsius",
    },
}  # fmt: skip
"""By language; "–" stands between two numbers and "-" before one."""

SHORT_FORMS: Final[dict[str, str]] = {
    "እ.ኤ.አ": "እንደ ኤውሮፓውያን አቆጣጠር", "ዓ.ም": "ዓመተ ምህረት", "ዓ/ም": "ዓመተ ምህረት", "ዓ.ዓ": "ዓመተ ዓለም", "አ.አ": "አዲስ አበባ",
    "ዶ/ር": "ዶክተር", "ፕ/ር": "ፕሮፌሰር", "ወ/ሮ": "ወይዘሮ", "ወ/ሪት": "ወይዘሪት", "ት/ቤት": "ትምህርት ቤት", "መ/ቤት": "መሥሪያ ቤት",
}  # fmt: skip
"""Written short and read in full; otherwise a voice would read their letters one by one."""
