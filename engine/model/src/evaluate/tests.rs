#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use Constant::{Bool, Date, Float, Int};

fn text(text: &str) -> Constant {
    Constant::Str(text.into())
}

fn day(text: &str) -> Constant {
    Date(scalar::parse_date(text).unwrap())
}

#[test]
fn functions_of_one_value() {
    let cases = [
        (Unary::Not, Bool(true), Bool(false)),
        (Unary::Negate, Int(3), Int(-3)),
        (Unary::Negate, Float(0.0), Float(-0.0)),
        (Unary::Absolute, Float(-1.5), Float(1.5)),
        (Unary::CastToInt, Bool(true), Int(1)),
        (Unary::CastToInt, Float(-1.9), Int(-1)),
        (Unary::CastToFloat, Int(3), Float(3.0)),
        (Unary::YearFromDate, day("1990-03-02"), Int(1990)),
        (Unary::MonthFromDate, day("1990-03-02"), Int(3)),
        (Unary::DayFromDate, day("1990-03-02"), Int(2)),
        (Unary::ToFirstOfYear, day("1990-03-02"), day("1990-01-01")),
        (Unary::ToFirstOfMonth, day("1990-03-02"), day("1990-03-01")),
    ];
    for (function, source, expected) in cases {
        assert_eq!(unary(function, Some(source.clone())), Ok(Some(expected)), "{function:?} {source:?}");
        assert_eq!(unary(function, None), Ok(None), "{function:?} NULL");
        assert_eq!(unary(Unary::IsNull, Some(source)), Ok(Some(Bool(false))));
    }
    assert_eq!(unary(Unary::IsNull, None), Ok(Some(Bool(true))));
    assert_eq!(unary(Unary::Negate, Some(Int(i64::MIN))), Err(scalar::Fault::IntOverflow));
}

#[test]
fn functions_of_two_values() {
    let cases = [
        (Binary::Eq, Float(0.0), Float(-0.0), Bool(true)),
        (Binary::Ne, text("a"), text("A"), Bool(true)),
        // By code point, not by anybody's alphabet: Z before a, a before é.
        (Binary::Lt, text("Z"), text("a"), Bool(true)),
        (Binary::Gt, text("é"), text("z"), Bool(true)),
        (Binary::Le, day("2000-01-01"), day("2000-01-01"), Bool(true)),
        (Binary::Ge, Int(1), Int(2), Bool(false)),
        (Binary::Add, Int(1), Int(2), Int(3)),
        (Binary::Subtract, Float(1.0), Float(0.5), Float(0.5)),
        (Binary::Multiply, Int(-2), Int(3), Int(-6)),
        (Binary::TrueDivide, Int(1), Int(2), Float(0.5)),
        (Binary::FloorDivide, Float(-7.0), Float(2.0), Int(-4)),
        (Binary::Power, Int(2), Int(-1), Float(0.5)),
        (Binary::DateAddDays, day("2000-02-28"), Int(2), day("2000-03-01")),
        (Binary::DateAddMonths, day("2001-01-31"), Int(1), day("2001-03-01")),
        (Binary::DateAddYears, day("2000-02-29"), Int(1), day("2001-03-01")),
        (Binary::DateDifferenceInDays, day("2000-03-01"), day("2000-02-28"), Int(2)),
        (Binary::DateDifferenceInMonths, day("2000-03-01"), day("2000-02-02"), Int(0)),
        (Binary::DateDifferenceInYears, day("2000-03-01"), day("1990-03-02"), Int(9)),
        (Binary::StringContains, text("||E119 ,E780 ||I801"), text("E78"), Bool(true)),
        (Binary::StringContains, text("abc"), text("B"), Bool(false)),
        (Binary::StringContains, text("abc"), text(""), Bool(true)),
    ];
    for (function, lhs, rhs, expected) in cases {
        assert_eq!(
            binary(function, Some(lhs.clone()), Some(rhs.clone())),
            Ok(Some(expected)),
            "{function:?} {lhs:?} {rhs:?}"
        );
        assert_eq!(binary(function, None, Some(rhs)), Ok(None), "{function:?} NULL left");
        assert_eq!(binary(function, Some(lhs), None), Ok(None), "{function:?} NULL right");
    }
    assert_eq!(binary(Binary::FloorDivide, Some(Int(1)), Some(Int(0))), Ok(None));
    assert_eq!(binary(Binary::And, None, Some(Bool(false))), Ok(Some(Bool(false))));
    assert_eq!(binary(Binary::Or, None, Some(Bool(true))), Ok(Some(Bool(true))));
    assert_eq!(binary(Binary::Or, None, Some(Bool(false))), Ok(None));
    let overflow = binary(Binary::DateAddYears, Some(day("2000-01-01")), Some(Int(8_000)));
    assert_eq!(overflow, Err(scalar::Fault::DateRange));
}

#[test]
fn members_and_extremes() {
    let set = |members: &[i64]| ConstantSet(members.iter().map(|member| Int(*member)).collect());
    let cases = [
        (Some(Int(2)), set(&[1, 2, 3]), Some(true)),
        (Some(Int(4)), set(&[1, 2, 3]), Some(false)),
        (None, set(&[1, 2, 3]), None),
        (None, set(&[]), Some(false)),
        (Some(Int(1)), set(&[]), Some(false)),
        (Some(Float(0.0)), ConstantSet([Float(-0.0)].into()), Some(true)),
    ];
    for (value, set, expected) in cases {
        assert_eq!(in_set(value.clone(), &set), expected.map(Bool), "{value:?} in {set:?}");
    }
    assert_eq!(minimum([None, Some(Int(2)), Some(Int(1))]), Some(Int(1)));
    assert_eq!(maximum([None, Some(text("a")), Some(text("B"))]), Some(text("a")));
    assert_eq!(maximum([None, None]), None);
}
