"""Values of the c104 package to and from JSON."""

import datetime

import c104

JsonValue = bool | int | float


def from_c104(value: object) -> JsonValue:
    if isinstance(value, (bool, float, int)):
        return value
    if isinstance(value, c104.Byte32):
        return int.from_bytes(bytes(value), "little")
    if isinstance(value, c104.NormalizedFloat):
        return float(value)
    if isinstance(value, (c104.Double, c104.Step)):
        return int(value.value)
    return int(value)  # type: ignore[call-overload, no-any-return]  # Int7, Int16, UInt5, ..


def information(type_name: str, value: JsonValue) -> c104.Information:
    """The value as the package wants it for a point of that type, with a time tag where due."""
    kind = type_name[2:-2]
    tag = datetime.datetime.now(datetime.UTC) if kind[-2:-1] == "T" else None
    info: dict[str, object] = {
        "SP": lambda: c104.SingleInfo(bool(value), recorded_at=tag),
        "DP": lambda: c104.DoubleInfo(_double(value), recorded_at=tag),
        "ST": lambda: c104.StepInfo(c104.Int7(int(value)), False, recorded_at=tag),
        "BO": lambda: c104.BinaryInfo(_bits(value), recorded_at=tag),
        "IT": lambda: c104.BinaryCounterInfo(
            int(value), c104.UInt5(3), c104.BinaryCounterQuality(), recorded_at=tag
        ),
        "SC": lambda: c104.SingleCmd(bool(value), recorded_at=tag),
        "DC": lambda: c104.DoubleCmd(_double(value), recorded_at=tag),
        "RC": lambda: c104.StepCmd(_step(value), recorded_at=tag),
        "ME_NA": lambda: c104.NormalizedInfo(c104.NormalizedFloat(value), recorded_at=tag),
        "ME_NB": lambda: c104.ScaledInfo(c104.Int16(int(value)), recorded_at=tag),
        "ME_NC": lambda: c104.ShortInfo(float(value), recorded_at=tag),
        "SE_NA": lambda: c104.NormalizedCmd(c104.NormalizedFloat(value), recorded_at=tag),
        "SE_NB": lambda: c104.ScaledCmd(c104.Int16(int(value)), recorded_at=tag),
        "SE_NC": lambda: c104.ShortCmd(float(value), recorded_at=tag),
        "C_BO": lambda: c104.BinaryCmd(_bits(value), recorded_at=tag),
    }
    plain = {"ME_TD": "ME_NA", "ME_TE": "ME_NB", "ME_TF": "ME_NC"}
    plain |= {"SE_TA": "SE_NA", "SE_TB": "SE_NB", "SE_TC": "SE_NC"}
    kind = plain.get(kind, kind)
    if type_name.startswith("C_BO"):
        kind = "C_BO"
    make = info.get(kind) or info[kind[:2]]
    return make()  # type: ignore[operator, no-any-return]


def _double(value: JsonValue) -> c104.Double:
    return [c104.Double.INTERMEDIATE, c104.Double.OFF, c104.Double.ON, c104.Double.INDETERMINATE][
        int(value)
    ]


def _step(value: JsonValue) -> c104.Step:
    return {1: c104.Step.LOWER, 2: c104.Step.HIGHER}[int(value)]


def _bits(value: JsonValue) -> c104.Byte32:
    return c104.Byte32(int(value).to_bytes(4, "little"))
