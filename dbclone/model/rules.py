"""Value rules: how the values of each column are made. Every column of every table has exactly one.

A rule is data: strings, numbers, tuples of them, and the arrays of a :class:`~dbclone.model.marginal.Marginal`. What a
rule holds of the source is either a label that at least five rows share, a character, a share or a quantile; never a
string of one row. :mod:`dbclone.learn.rules` makes rules, :mod:`dbclone.generate.values` carries them out. Rules of
values with a structure are in :mod:`dbclone.model.structures`.

``null_share`` is the share of NULLs, ``max_length`` the column's length in characters, ``unique`` says that no two rows
of the table may have the same value. A value is a function of the rule, the seed and the row's index; only
:class:`Learned`, :class:`Referenced` and :class:`Numbered` need to know more of the row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from dbclone.model.marginal import Marginal
from dbclone.model.structures import (
    ArrayRule,
    BitRule,
    CompositeRule,
    GeometryRule,
    MultirangeRule,
    NetworkRule,
    PathRule,
    Quantiles,
    RangeRule,
    SearchRule,
    VectorRule,
)
from dbclone.schema.model import TableKey, TypeKind

PersonalKind = Literal[
    "email",
    "phone",
    "first_name",
    "last_name",
    "name",
    "user_name",
    "street",
    "city",
    "postcode",
    "company",
    "iban",
    "account",
    "card",
    "ip",
    "mac",
    "url",
    "birth_date",
    "national_id",
    "region",
    "country",
    "coordinates",
    "licence_plate",
    "vin",
]
"""What a personal value is. It decides what a generated one looks like."""

SecretKind = Literal["password_hash", "token"]


@dataclass(frozen=True, kw_only=True)
class Learned:
    """The value is decoded from the row's normal score.

    ``kind`` is the column's. With ``categories``, the marginal's values are positions in it. ``decimals`` is the grid
    that values are rounded to: digits after the point, for times digits of a second; -2, -4 and -6 are whole minutes,
    hours and days, for intervals -8 whole months. ``units`` are the parts of intervals that are used, of months, days
    and time. ``exact`` spells those of the marginal's atoms that have more digits than a float.
    """

    column: str
    marginal: Marginal
    kind: TypeKind
    categories: tuple[str, ...] = ()
    decimals: int | None = None
    units: tuple[str, ...] = ()
    exact: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Referenced:
    """The value is the parent row's, through this foreign key."""

    column: str
    foreign_key: str


@dataclass(frozen=True, kw_only=True)
class Numbered:
    """The value counts the rows that agree in the columns ``parents``, from ``start`` by ``step``."""

    column: str
    parents: tuple[str, ...]
    start: int
    step: int = 1


@dataclass(frozen=True, kw_only=True)
class PolymorphicTarget:
    """Rows with this ``label`` refer to ``column`` of ``table``; ``fan_out`` is that of its rows, zero included."""

    label: str
    table: TableKey
    column: str
    fan_out: Marginal


@dataclass(frozen=True, kw_only=True)
class PolymorphicKey:
    """The value is a key of the table that the row's ``type_column`` names; NULL where it names none."""

    column: str
    type_column: str
    targets: tuple[PolymorphicTarget, ...]
    null_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Omitted:
    """The column is not written: the database generates it, or its default applies."""

    column: str


@dataclass(frozen=True, kw_only=True)
class NullRule:
    """Every value is NULL."""

    column: str


@dataclass(frozen=True, kw_only=True)
class ConstantRule:
    """Every value is ``value``, in the text form of the column's type."""

    column: str
    value: str
    null_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ChoiceRule:
    """Every value is one of ``values``, in the text form of the column's type, at random with these shares."""

    column: str
    values: tuple[str, ...]
    shares: tuple[float, ...]
    null_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SequenceKey:
    """Row ``i`` has ``start + step · i``: a number, days of a date, microseconds of a time.

    With ``decimals``, numbers have so many digits after the point: start and step count the last of them.
    """

    column: str
    start: int
    step: int = 1
    decimals: int = 0
    null_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LabelKey:
    """Row ``i`` has the ``i``-th of ``values``, in the text form of the column's type: keys of an enum."""

    column: str
    values: tuple[str, ...]
    null_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class UuidKey:
    """A UUID per row; those of version 7 begin with a time in milliseconds, ``start_ms + step_ms · i``."""

    column: str
    version: Literal[4, 7] = 4
    start_ms: int = 0
    step_ms: int = 1
    null_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Mask:
    """A shape of codes and the share of values that have it.

    ``alphabets`` holds, per position, the characters that may stand there; a single one is a literal.
    ``("A", "B", "-", "0123456789")`` makes ``AB-0`` … ``AB-9``.
    """

    alphabets: tuple[str, ...]
    share: float


@dataclass(frozen=True, kw_only=True)
class CodeRule:
    """Codes of learned shape. No code fits two of the masks.

    ``pool`` is the number of different codes, if rows share them; without it, or if ``unique``, each row has its own.
    """

    column: str
    masks: tuple[Mask, ...]
    unique: bool
    pool: int | None = None
    null_share: float = 0.0
    max_length: int | None = None


@dataclass(frozen=True, kw_only=True)
class PersonalRule:
    """A fictional value of the same kind as a personal one.

    ``template`` is the most frequent punctuation of numbers, with ``#`` for a digit and ``A`` for a letter. Of several
    ``locales``, each row is of one, with these shares; the same one in all columns of a table. With ``place``, the
    value is that of the row's place, in the country that the column ``country`` names, if there is one. ``apart`` has
    the row's number in it, so that equal names of several locales differ.
    """

    column: str
    what: PersonalKind
    locale: str
    unique: bool
    template: str = ""
    null_share: float = 0.0
    max_length: int | None = None
    locales: tuple[tuple[str, float], ...] = ()
    place: bool = False
    country: str | None = None
    apart: bool = False


@dataclass(frozen=True, kw_only=True)
class Carried:
    """The value is what the row's parent has in ``parent_column``, through this foreign key."""

    column: str
    foreign_key: str
    parent_column: str
    null_share: float = 0.0
    max_length: int | None = None


@dataclass(frozen=True, kw_only=True)
class TextRule:
    """Text of common words with the source's lengths, in characters and in words (NULL and empty left out)."""

    column: str
    characters: Quantiles
    words: Quantiles
    unique: bool
    empty_share: float = 0.0
    null_share: float = 0.0
    max_length: int | None = None


@dataclass(frozen=True, kw_only=True)
class SecretRule:
    """Passwords become the hash of one documented password, other secrets something obviously fake.

    ``scheme`` names how the source's passwords are hashed (``bcrypt``, ``sha256`` …); ``length`` is a token's.
    """

    column: str
    what: SecretKind
    unique: bool
    scheme: str = "plain"
    length: int = 32
    null_share: float = 0.0
    max_length: int | None = None


@dataclass(frozen=True, kw_only=True)
class FakerRule:
    """Values of a provider of Faker, drawn from a pool of them: ``job``, ``color_name``; ``locale`` is Faker's."""

    column: str
    provider: str
    locale: str
    null_share: float = 0.0
    max_length: int | None = None


@dataclass(frozen=True, kw_only=True)
class ExpressionRule:
    """The value of an expression in DuckDB's SQL over ``columns`` of the same row."""

    column: str
    expression: str
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FunctionRule:
    """What a Python function makes of the rows' indexes; ``function`` is ``module:name``.

    It is code: no model file holds such a rule, and none is read from one.
    """

    column: str
    function: str
    unique: bool
    null_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class BinaryRule:
    """Random bytes with the source's lengths."""

    column: str
    lengths: Quantiles
    unique: bool
    null_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class JsonNode:
    """What stands at one path of JSON documents.

    ``kinds`` gives the share of each kind of value there (object, array, string, integer, number, boolean, null). The
    other fields describe values of one kind: an object's members, an array's lengths and elements, the quantiles of
    numbers with their ``decimals``, the share of ``true``, the labels of strings that are categories with their
    shares, else the quantiles of their lengths; ``personal`` is what strings are that are made as values of that kind.
    """

    kinds: tuple[tuple[str, float], ...]
    members: tuple[JsonMember, ...] = ()
    lengths: Quantiles = ()
    element: JsonNode | None = None
    numbers: Quantiles = ()
    decimals: int = 0
    true_share: float = 0.0
    labels: tuple[tuple[str, float], ...] = ()
    characters: Quantiles = ()
    personal: PersonalKind | None = None


@dataclass(frozen=True, kw_only=True)
class JsonMember:
    """A member of an object, and the share of objects that have it."""

    name: str
    share: float
    node: JsonNode


@dataclass(frozen=True, kw_only=True)
class JsonRule:
    """Documents of learned structure, written as JSON, XML or hstore. An empty ``root.kinds`` makes empty ones.

    XML is kept as an object with the root element for its only member. An element's attributes are members with an
    ``@`` before their name, its text is the member ``#``; elements of the same name are an array.
    """

    column: str
    root: JsonNode
    form: Literal["json", "xml", "hstore"] = "json"
    unique: bool = False
    null_share: float = 0.0
    max_length: int | None = None


Rule = (
    Learned
    | Referenced
    | Numbered
    | PolymorphicKey
    | Omitted
    | NullRule
    | ConstantRule
    | ChoiceRule
    | SequenceKey
    | LabelKey
    | UuidKey
    | CodeRule
    | PersonalRule
    | Carried
    | TextRule
    | SecretRule
    | BinaryRule
    | FakerRule
    | ExpressionRule
    | FunctionRule
    | ArrayRule
    | RangeRule
    | MultirangeRule
    | CompositeRule
    | NetworkRule
    | BitRule
    | GeometryRule
    | SearchRule
    | PathRule
    | VectorRule
    | JsonRule
)
"""How the values of one column are made."""


def without_nulls(rule: Rule) -> Rule:
    """Return the rule such that it makes no NULL of its own."""
    fields: dict[str, Any] = {"null_share": 0.0} if hasattr(rule, "null_share") else {}
    return replace(rule, **fields)
