//! Numbers, times, address ranges and base64 as condition values hold them.

use std::net::IpAddr;

/// A decimal number, exact to 18 places after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(i128);

/// How many decimal places a [`Number`] keeps.
const PLACES: usize = 18;

impl Number {
    pub(crate) fn from_integer(value: i64) -> Number {
        Number(i128::from(value) * 10_i128.pow(PLACES as u32))
    }

    /// `12`, `-1.5`, `6e5`. `None` for anything else, and for what does not fit.
    pub(crate) fn parse(text: &str) -> Option<Number> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((mantissa, exponent)) => (
                mantissa,
                exponent.parse::<i32>().ok().filter(|e| e.abs() <= 64)?,
            ),
        };
        let (negative, digits) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (digits, ""),
        };
        if whole.is_empty() {
            return None;
        }
        let mut value = 0_i128;
        let fraction = fraction.trim_end_matches('0');
        for byte in whole.bytes().chain(fraction.bytes()) {
            let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
            value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
        }
        let shift = PLACES as i32 + exponent - i32::try_from(fraction.len()).ok()?;
        for _ in 0..shift {
            value = value.checked_mul(10)?;
        }
        for _ in shift..0 {
            if value % 10 != 0 {
                return None;
            }
            value /= 10;
        }
        Some(Number(if negative { -value } else { value }))
    }
}

/// A point in time in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(pub(crate) i64);

impl Instant {
    pub(crate) fn from_seconds(seconds: i64) -> Instant {
        Instant(seconds.saturating_mul(1000))
    }

    /// ISO 8601 (`2026-01-31`, `2026-01-31T23:59Z`, `2026-01-31T23:59:59.5+01:00`) or seconds since
    /// 1970. Without a zone it is UTC.
    pub(crate) fn parse(text: &str) -> Option<Instant> {
        let is_epoch = text
            .bytes()
            .skip(1)
            .all(|b| b.is_ascii_digit() || b == b'.');
        if is_epoch {
            let Number(value) = Number::parse(text)?;
            let millis = value / 10_i128.pow(PLACES as u32 - 3);
            return i64::try_from(millis).ok().map(Instant);
        }
        let (date, time) = match text.split_once(['T', 't']) {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let mut parts = date.split('-');
        let year = digits(parts.next()?, 4)?;
        let month = digits(parts.next()?, 2)?;
        let day = parts.next().map_or(Some(1), |day| digits(day, 2))?;
        if parts.next().is_some() || !(1..=12).contains(&month) {
            return None;
        }
        if !(1..=days_in_month(year, month)).contains(&day) {
            return None;
        }
        let days = days_from_epoch(year, month, day);
        let millis = time.map_or(Some(0), time_of_day)?;
        Some(Instant(days * 86_400_000 + millis))
    }
}

/// Exactly `count` digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    let fits = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| fits)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar, years 0 to 9999.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March make the leap day the last of the year.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The calendar date of a day counted from 1970-01-01.
fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// `hh:mm[:ss[.f…]]` with an optional zone, as milliseconds to add to the day in UTC.
fn time_of_day(text: &str) -> Option<i64> {
    let (clock, offset) = match text.find(['Z', 'z', '+', '-']) {
        None => (text, 0),
        Some(at) => {
            let (clock, zone) = text.split_at_checked(at)?;
            (clock, zone_minutes(zone)?)
        }
    };
    let (clock, fraction) = match clock.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (clock, None),
    };
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = digits(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let second = parts.next().map_or(Some(0), |second| digits(second, 2))?;
    if parts.next().is_some() || second > 60 || fraction == Some("") {
        return None;
    }
    let mut millis = 0;
    let mut unit = 100;
    for byte in fraction.unwrap_or_default().bytes() {
        millis += i64::from(byte.checked_sub(b'0').filter(|digit| *digit < 10)?) * unit;
        unit /= 10;
    }
    Some(((hour * 60 + minute - offset) * 60 + second) * 1000 + millis)
}

/// `Z`, `+01:00`, `+0100` or `+01`.
fn zone_minutes(zone: &str) -> Option<i64> {
    let (sign, rest) = zone.split_at_checked(1)?;
    let sign = match sign {
        "Z" | "z" if rest.is_empty() => return Some(0),
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some(parts) => parts,
        None => rest.split_at_checked(2)?,
    };
    let minutes = if minutes.is_empty() {
        0
    } else {
        digits(minutes, 2)?
    };
    Some(sign * (digits(hours, 2)? * 60 + minutes))
}

/// Writes seconds since 1970 as `2026-01-31T23:59:59Z`.
pub(crate) fn write_time(out: &mut impl std::fmt::Write, seconds: i64) -> std::fmt::Result {
    let (year, month, day) = date_of(seconds.div_euclid(86_400));
    let rest = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    write!(
        out,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    )
}

/// A range of addresses; a bare address is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    bits: u128,
    /// Prefix length within 128 bits; IPv4 is placed in the upper 32.
    prefix: u8,
    is_v6: bool,
}

impl Range {
    pub(crate) fn parse(text: &str) -> Option<Range> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let (bits, is_v6) = bits(address.parse().ok()?);
        let most = if is_v6 { 128 } else { 32 };
        let prefix = match prefix {
            None => most,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        (prefix <= most).then_some(Range {
            bits,
            prefix,
            is_v6,
        })
    }

    /// IPv4 addresses are in no IPv6 range and the reverse.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let (bits, is_v6) = bits(address);
        let differing = (self.bits ^ bits).leading_zeros();
        is_v6 == self.is_v6 && differing >= u32::from(self.prefix)
    }

    /// Prefix length as written.
    pub(crate) fn prefix(&self) -> u8 {
        self.prefix
    }

    pub(crate) fn is_v6(&self) -> bool {
        self.is_v6
    }

    /// Whether every address of the range is private, loopback or link-local.
    pub(crate) fn is_private(&self) -> bool {
        const PRIVATE: [&str; 7] = [
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "fc00::/7",
            "fe80::/10",
        ];
        PRIVATE
            .iter()
            .filter_map(|text| Range::parse(text))
            .any(|range| {
                let same = (range.bits ^ self.bits).leading_zeros() >= u32::from(range.prefix);
                range.is_v6 == self.is_v6 && range.prefix <= self.prefix && same
            })
    }
}

fn bits(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, false),
        IpAddr::V6(v6) => (v6.to_bits(), true),
    }
}

/// Whether two base64 texts hold the same bytes. False if one is no base64.
pub(crate) fn same_base64(a: &str, b: &str) -> bool {
    is_base64(a) && is_base64(b) && Decoder::new(a).eq(Decoder::new(b))
}

/// Whether a text is padded base64.
pub(crate) fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    text.len().is_multiple_of(4) && padding <= 2 && body.bytes().all(|b| sextet(b).is_some())
}

struct Decoder<'a> {
    rest: std::slice::Iter<'a, u8>,
    bits: u32,
    held: u32,
}

impl<'a> Decoder<'a> {
    fn new(text: &'a str) -> Self {
        Decoder {
            rest: text.trim_end_matches('=').as_bytes().iter(),
            bits: 0,
            held: 0,
        }
    }
}

impl Iterator for Decoder<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        while self.held < 8 {
            self.bits = self.bits << 6 | sextet(*self.rest.next()?)?;
            self.held += 6;
        }
        self.held -= 8;
        let byte = self.bits >> self.held;
        self.bits &= (1 << self.held) - 1;
        u8::try_from(byte & 0xff).ok()
    }
}

fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact() {
        let number = |text| Number::parse(text).unwrap();
        assert_eq!(number("1.20"), number("1.2"));
        assert_eq!(number("6e5"), number("600000"));
        assert_eq!(number("600000e-5"), number("6"));
        assert!(number("9007199254740993") > number("9007199254740992"));
        assert!(number("-1.5") < number("-1.4999"));
        assert_eq!(number("-0"), number("0"));
        assert_eq!(Number::from_integer(-7), number("-7"));
        for bad in [
            "", "-", ".5", "1.", "1.2.3", "ten", "1e", "1e999", " 1", "0x1", "1e-19",
        ] {
            assert_eq!(Number::parse(bad), None, "{bad}");
        }
        assert_eq!(Number::parse(&"9".repeat(400)), None);
    }

    #[test]
    fn times_in_every_form() {
        let at = |text: &str| Instant::parse(text).map(|instant| instant.0);
        assert_eq!(at("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(at("2012-10-17T00:00:00Z"), at("1350432000"));
        assert_eq!(at("2012-10-17"), at("1350432000"));
        assert_eq!(at("2012-10"), at("2012-10-01T00:00Z"));
        assert_eq!(at("2012-10-17T01:00:00+01:00"), at("1350432000"));
        assert_eq!(at("2012-10-16T19:30-0430"), at("1350432000"));
        assert_eq!(at("2012-10-17T00:00:00.25Z"), Some(1_350_432_000_250));
        assert_eq!(at("1350432000.25"), Some(1_350_432_000_250));
        assert_eq!(at("-1"), Some(-1000));
        assert_eq!(at("2024-02-29"), Some(1_709_164_800_000));
        for bad in [
            "",
            "not a date",
            "2023-02-29",
            "2012-13-01",
            "2012-10-17T24:00Z",
            "2012-10-17T00:00:00.Z",
            "2012-10-17T00Z",
            "2012-10-17T00:00ZZ",
            "12-10-17",
            "2012-10-17-01",
            "99999999999999999999",
        ] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        for seconds in [
            -62_167_219_200_i64,
            -1,
            0,
            951_782_400,
            1_350_432_000,
            253_402_300_799,
        ] {
            let mut out = String::new();
            write_time(&mut out, seconds).unwrap();
            assert_eq!(
                Instant::parse(&out),
                Some(Instant::from_seconds(seconds)),
                "{out}"
            );
        }
    }

    #[test]
    fn ranges_contain_their_own_family() {
        let contains = |range: &str, address: &str| {
            Range::parse(range)
                .unwrap()
                .contains(address.parse().unwrap())
        };
        assert!(contains("10.0.0.0/8", "10.255.0.1"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("10.0.0.1", "10.0.0.1"));
        assert!(contains("0.0.0.0/0", "1.2.3.4"));
        assert!(!contains("0.0.0.0/0", "::1"));
        assert!(!contains("::/0", "1.2.3.4"));
        assert!(contains("2001:db8::/32", "2001:db8:1::1"));
        assert!(!contains("2001:db8::1", "2001:db8::2"));
        for bad in [
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "",
            "x",
        ] {
            assert_eq!(Range::parse(bad), None, "{bad}");
        }
        assert!(Range::parse("10.1.0.0/16").unwrap().is_private());
        assert!(!Range::parse("0.0.0.0/0").unwrap().is_private());
        assert!(!Range::parse("172.0.0.0/8").unwrap().is_private());
    }

    #[test]
    fn base64_is_compared_by_bytes() {
        assert!(same_base64("d29ybGQ=", "d29ybGQ="));
        assert!(same_base64("", ""));
        assert!(!same_base64("d29ybGQ=", "YmFy"));
        assert!(!same_base64("xyz", "xyz"));
        assert!(!same_base64("a=bc", "a=bc"));
        assert!(!same_base64("====", ""));
    }
}
