"""Keys of verdicts, against a plain loop: another formula would ask every stored question anew."""

import json
from hashlib import blake2b

import numpy as np
import pytest
from scipy import sparse

from recbole_dtlns.false_negatives.judges import JudgeContext
from recbole_dtlns.false_negatives.judges.keys import PairKeys
from recbole_dtlns.false_negatives.judges.rule import RuleJudge

TITLES = np.array(["", "Alien", "Heat", "Amélie", "", "\ud800"], dtype=object)


class Named(RuleJudge):
    """The rule with settings of its own."""

    def __init__(self, context: JudgeContext, **settings: int) -> None:
        super().__init__(context)
        self._own = settings

    def settings(self) -> dict[str, int]:
        return self._own


def digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()


def plain_key(context: JudgeContext, judge: Named, user: int, item: int) -> bytes:
    def shown(number: int) -> tuple[list[int], bytes]:
        digits = [*context.co[number].tolist(), *context.se[number].tolist()]
        widths = f"{context.co.shape[1]},{context.se.shape[1]};".encode()
        code = widths + b"".join(digit.to_bytes(2, "little", signed=True) for digit in digits)
        title = f";{context.titles[number]}".encode("utf-8", "replace") if judge.reads_titles else b""
        return digits if not judge.reads_titles else code + title, digest(code + title)

    about = digest(json.dumps([judge.name, judge.revision, judge.settings()], sort_keys=True).encode())
    history = sorted(shown(number) for number in context.matrix[user].indices.tolist())
    return digest(digest(about + b"".join(code for _, code in history)) + shown(item)[1])


@pytest.mark.parametrize("reads_titles", [False, True])
def test_keys_are_those_of_a_plain_loop_whatever_the_order_of_settings(reads_titles: bool) -> None:
    matrix = sparse.csr_matrix(([1] * 6, ([1, 1, 1, 2, 2, 4], [1, 3, 5, 2, 4, 5])), shape=(5, 6))  # user 3 has nothing
    co = np.array([[-1, -1], [0, 1], [0, 1], [1, -1], [300, 2], [1, 0]], dtype=np.int16)
    context = JudgeContext(matrix, co, co[:, :1], titles=TITLES)
    users, items = np.array([4, 1, 2, 3, 1, 1]), np.array([1, 2, 5, 5, 4, 1])
    judge, turned = Named(context, b=1, a=2), Named(context, a=2, b=1)
    judge.reads_titles = turned.reads_titles = reads_titles
    keys = PairKeys(context, judge).of(users, items)
    expected = [plain_key(context, judge, *pair) for pair in zip(users.tolist(), items.tolist(), strict=True)]
    assert keys == expected == PairKeys(context, turned).of(users, items)
    assert PairKeys(context, judge).of(users[:0], items[:0]) == []
