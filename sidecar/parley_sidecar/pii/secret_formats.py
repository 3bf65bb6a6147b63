"""Credentials whose form gives them away: the prefixes that vendors chose so that they can be found. Used by `tokens`.

Source: the vendors' documentation, and the published rules of gitleaks and of GitHub's secret scanning.
"""

import re
from typing import Final

_W: Final = "[A-Za-z0-9]"
_U: Final = "[A-Za-z0-9_-]"
_H: Final = "[0-9a-f]"

_FORMATS: Final = (
    rf"sk-(?:proj|svcacct|admin|or-v1|None)-{_U}{{20,200}}", rf"sk-ant-{_U}{{20,140}}", rf"sk-{_U}{{20,64}}",
    rf"gh[opusr]_{_W}{{30,255}}", r"github_pat_[A-Za-z0-9_]{36,255}",
    rf"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat)-{_U}{{18,64}}", rf"GR1348941{_U}{{20,30}}",
    r"(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z2-7]{16}(?![A-Za-z0-9])", r"ABSK[A-Za-z0-9+/]{100,}={0,2}",
    rf"AIza{_U}{{35}}", rf"ya29\.{_U}{{20,300}}", rf"GOCSPX-{_U}{{24,32}}", rf"1//0{_U}{{40,120}}",
    rf"xox[abeoprs]-{_U}{{10,200}}", rf"xox[ed]\.xox[bp]-{_U}{{10,250}}", rf"xapp-[0-9]-{_U}{{20,150}}",
    rf"(?:sk|rk|pk)_(?:live|test|prod)_{_W}{{10,120}}", r"whsec_[A-Za-z0-9+/=]{24,64}",
    rf"(?:SK|AC){_H}{{32}}(?![A-Za-z0-9])", rf"SG\.{_U}{{16,32}}\.{_U}{{30,64}}",
    rf"key-{_H}{{32}}(?![A-Za-z0-9])", rf"{_H}{{32}}-us[0-9]{{1,2}}(?![A-Za-z0-9])",
    rf"npm_{_W}{{30,40}}", rf"pypi-{_U}{{50,250}}", rf"rubygems_{_H}{{40,60}}", rf"crates?io_?{_W}{{30,40}}",
    r"(?:hf|api_org)_[A-Za-z]{30,40}", rf"hf_{_W}{{30,40}}", rf"r8_{_W}{{30,50}}", rf"gsk_{_W}{{40,60}}",
    rf"pplx-{_W}{{32,64}}", rf"xai-{_W}{{40,100}}", rf"nvapi-{_U}{{50,80}}", rf"tgp_v1_{_U}{{30,60}}",
    rf"fw_{_W}{{20,40}}", rf"co_{_W}{{40}}", rf"jina_{_U}{{50,80}}", rf"tvly-{_U}{{20,60}}", rf"fc-{_H}{{32}}",
    rf"[MNO]{_U}{{22,27}}\.{_U}{{6}}\.{_U}{{27,40}}(?![A-Za-z0-9])", rf"mfa\.{_U}{{80,100}}",
    rf"shp(?:at|ca|pa|ss)_{_H}{{32}}", rf"sq0(?:atp|csp|idp)-{_U}{{20,50}}", rf"EAAA{_U}{{55,65}}(?![A-Za-z0-9])",
    rf"EAA[A-Z]{_W}{{60,300}}", rf"dapi{_H}{{32}}(?:-[0-9])?", rf"do[opr]_v1_{_H}{{64}}",
    rf"lin_(?:api|oauth)_{_W}{{30,60}}", rf"ntn_{_W}{{40,60}}", rf"secret_{_W}{{40,50}}",
    rf"NR(?:AK|JS|AA|II|IQ|RA|AL)-{_W}{{19,40}}", rf"PMAK-{_H}{{24}}-{_H}{{34}}", rf"hv[sbr]\.{_U}{{24,300}}", rf"[sb]\.(?=[A-Za-z]*[0-9]){_W}{{24}}(?![A-Za-z0-9])",
    rf"{_W}{{14}}\.atlasv1\.[A-Za-z0-9=_-]{{60,70}}", rf"dp\.(?:pt|st|ct|sa|scim|audit)\.{_U}{{40,60}}",
    r"gl(?:sa|c|eu)_[A-Za-z0-9+/=_]{30,200}", r"AGE-SECRET-KEY-1[0-9A-Z]{58}", rf"pat{_W}{{14}}\.{_H}{{64}}",
    rf"fig[dour]h?_{_U}{{40,60}}", r"sntry[su]_[A-Za-z0-9+/=_]{40,250}", rf"tskey-[a-z]{{2,12}}-{_U}{{10,80}}",
    rf"sbp_{_H}{{40}}", rf"sb_(?:secret|publishable)_{_U}{{20,60}}", rf"dckr_(?:pat|oat)_{_U}{{20,60}}",
    rf"x(?:keysib|smtpsib)-{_H}{{64}}-{_W}{{16}}", rf"AT(?:ATT3|CTT3|BB){_U}{{20,250}}=?[0-9A-F]{{0,8}}",
    rf"[ps]k\.eyJ{_U}{{40,120}}\.{_U}{{20,30}}", r"eyJ[A-Za-z0-9_=-]{8,}\.[A-Za-z0-9_=-]{8,}(?:\.[A-Za-z0-9_.+/=-]*)?",
    rf"nfp_{_W}{{36,50}}", rf"fo1_{_U}{{43}}", r"FlyV1 fm[12]_[A-Za-z0-9+/=_-]{40,}", rf"LTAI{_W}{{12,22}}",
    rf"AKID{_W}{{13,40}}", rf"pul-{_H}{{40}}", rf"pscale_(?:tkn|pw|oauth)_{_U}{{30,64}}", rf"ops_eyJ{_U}{{100,}}",
    r"sl\.[A-Za-z0-9_-]{60,200}", rf"vercel_{_W}{{20,40}}", rf"vc[pirk]_{_W}{{20,60}}", rf"aio_{_W}{{28}}",
    rf"CLOJARS_{_H}{{60}}", rf"shippo_(?:live|test)_{_H}{{40}}", rf"duffel_(?:live|test)_{_U}{{43}}",
    rf"EZ[AT]K{_W}{{50,60}}", rf"FLWSECK(?:_TEST)?-{_W}{{12,40}}(?:-X)?", rf"rzp_(?:live|test)_{_W}{{14,24}}",
    rf"live_{_H}{{40}}", rf"test_{_H}{{40}}", rf"phc_{_W}{{30,50}}", rf"phx_{_W}{{30,50}}", rf"lsv2_(?:pt|sk)_{_U}{{30,60}}",
    rf"pk-lf-{_U}{{30,40}}", rf"sk-lf-{_U}{{30,40}}", rf"cfut_{_U}{{30,60}}", rf"v1\.0-{_H}{{24}}-{_H}{{140,160}}",
    rf"amzn1\.(?:application-oa2-client|oa2-cs\.v1)\.{_H}{{32,64}}", rf"bkua_{_H}{{40}}", rf"ico-{_W}{{32}}",
    rf"dt0[a-z][0-9]{{2}}\.{_W}{{20,30}}\.{_W}{{60,70}}", rf"p8e-{_W}{{32}}", rf"sgp_(?:{_H}{{16}}_)?{_H}{{40}}",
    rf"sk_{_W}{{32,64}}(?![A-Za-z0-9])", rf"re_{_W}{{8}}_{_W}{{24}}", rf"ak_{_W}{{32,64}}", rf"pd[lt]_{_W}{{30,60}}",
    rf"AAAA{_U}{{7}}:APA91b{_U}{{120,160}}", rf"AAAAAAAAAAAAAAAAAAAAA{_U}{{50,110}}", rf"ctx7sk-{_U}{{30,50}}",
    rf"waka_{_U}{{36}}", rf"oy2{_W}{{43}}", rf"cio-{_W}{{40}}", rf"apify_api_{_W}{{30,40}}", rf"e2b_{_H}{{40}}",
)  # fmt: skip
FORMAT: Final = re.compile("|".join(_FORMATS))
"""Any of them, from its first character on."""
_OPENINGS: Final = (
    "sk", "gh", "github_pat_", "gl", "GR1348941", "AKIA", "ASIA", "ABIA", "ACCA", "AROA", "AIDA", "ABSK", "AIza", "ya29.", "GOCSPX-",
    "xox", "xapp-", "rk_", "pk", "whsec_", "SK", "AC", "SG.", "key-", "npm_", "pypi-", "rubygems_", "crate", "hf_",
    "api_org_", "r8_", "gsk_", "pplx-", "xai-", "nvapi-", "tgp_", "fw_", "co_", "jina_", "tvly-", "fc-", "mfa.", "shp",
    "sq0", "EAA", "dapi", "do", "lin_", "ntn_", "secret_", "NR", "PMAK-", "hv", "s.", "b.", "dp.", "AGE-", "pat", "fig",
    "sntry", "tskey-", "sb", "dckr_", "x", "AT", "eyJ", "nfp_", "fo1_", "FlyV1", "LTAI", "AKID", "pul-", "pscale_",
    "ops_eyJ", "sl.", "vercel_", "vc", "aio_", "CLOJARS_", "ship", "duffel_", "EZ", "FLWSECK", "rzp_", "live_", "test_",
    "ph", "lsv2_", "cfut_", "v1.0-", "amzn1.", "bkua_", "ico-", "dt0", "p8e-", "sgp_", "re_", "ak_", "pd", "AAAA",
    "ctx7sk-", "waka_", "oy2", "cio-", "apify_", "e2b_", "M", "N", "O",
)  # fmt: skip
_BY_BEGINNING: Final = {
    beginning: tuple(opening for opening in _OPENINGS if opening[:2] == beginning)
    for beginning in {opening[:2] for opening in _OPENINGS}
}
_NONE: Final[tuple[str, ...]] = ()
_MIDDLES: Final = re.compile(rf"{_H}{{32}}-us[0-9]|{_W}{{14}}\.atlasv1\.")
_SHORTEST_OF_MIDDLE: Final = 36
_TELEGRAM_USER: Final = re.compile(r"(?<![0-9])[0-9]{8,10}:\Z")
_TELEGRAM: Final = re.compile(rf"AA{_U}{{33}}(?![A-Za-z0-9_-])")
_TELEGRAM_REACH: Final = 12
_EXAMPLE: Final = re.compile(r"(?i)x{8}|your|\*{4}|\.\.\.|placeholder|<")


def credential(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return where a credential stands that begins with the token `text[start:end]`, or None."""
    token = text[start:end]
    if token.startswith("AA"):
        user = _TELEGRAM_USER.search(text, max(0, start - _TELEGRAM_REACH), start)
        bot = _TELEGRAM.match(text, start)
        if user and bot:
            return user.start(), bot.end()
    begins = token[0] in _BY_BEGINNING or token.startswith(_BY_BEGINNING.get(token[:2], _NONE))
    if not begins and (end - start < _SHORTEST_OF_MIDDLE or not _MIDDLES.match(token)):
        return None
    found = FORMAT.match(text, start)
    if found is None or _EXAMPLE.search(found.group()) or _is_word(found.group()):
        return None
    return found.span()


def _is_word(value: str) -> bool:
    """Say whether there is no digit and no change of case: a name in kebab-case or snake_case."""
    return not any(map(str.isdigit, value)) and (value.islower() or value.isupper())
