"""Words of scripts other than Latin that name a value, and are written without spaces or with endings glued on.

One pass finds them all; `labels`, `births` and `secret_words` ask for those that concern them.
"""

import re
from collections.abc import Iterable
from typing import Final, Literal

from parley_sidecar.pii.label_words import Label
from parley_sidecar.pii.view import View

Said = Label | Literal["born", "password", "token"]

_WORDS: Final[dict[Said, str]] = {
    "phone": """
        电话 電話 手机 手機 携帯 联系 電話番号 电话号码 手机号 打给 聯絡 전화 휴대폰 연락처 핸드폰 拨打 致电 फोन फ़ोन मोबाइल कॉल ফোন মোবাইল
        மொபைல் தொலைபேசி โทร เบอร์
    """,
    "id": """
        आधार पैन पासपोर्ट ת.ז ת"ז זהות דרכון 身份证 身份证号码 身份證號 身分證字號 身分證 身份證 护照 マイナンバー 個人番号 旅券 パスポート 주민
        여권 บัตรประชาชน ประชาชน
    """,
    "card": """
        कार्ड 卡号 信用卡 银行卡 カード 카드 บัตรเครดิต
    """,
    "none": """
        订单 注文 주문
    """,
    "zip": """
        邮编 郵便番号
    """,
    "born": """
        出生 生年月日 生まれ 誕生日 生日 생년월일 생일 출생 태어 เกิด
    """,
    "password": """
        парол κωδικός 密码 密碼 口令 パスワード 暗証番号 비밀번호 암호 كلمة·المرور كلمة·السر סיסמה סיסמא पासवर्ड รหัสผ่าน
        лозинк
    """,
    "token": """
        секрет ключ токен 密钥 密鑰 秘钥 秘密鍵 토큰
    """,
}
"""A dot stands for the space within a word."""
_SAID: Final[dict[str, Said]] = {
    word.replace("·", " "): said for said, words in _WORDS.items() for word in words.split()
}


def _pattern(words: Iterable[str]) -> str:
    """Return all words as one pattern, by their first letters; of two that begin alike the longer one counts."""
    rests: dict[str, list[str]] = {}
    for word in sorted(words, key=len, reverse=True):
        rests.setdefault(word[0], []).append(re.escape(word[1:]))
    return "|".join(f"{first}(?:{'|'.join(found)})" for first, found in rests.items())


_ANY: Final = re.compile(_pattern(_SAID))
_GATE: Final = re.compile(_pattern({"".join(letter for letter in word if not letter.isascii()) for word in _SAID}))
"""The same among the letters that are not ASCII."""


def foreign_words(view: View) -> tuple[tuple[int, int, str], ...]:
    """Return where such words stand, and what each says."""
    if view.foreign is None:
        found = _ANY.finditer(view.lower) if _GATE.search(view.letters) else ()
        view.foreign = tuple((*word.span(), _SAID[word.group()]) for word in found)
    return view.foreign
