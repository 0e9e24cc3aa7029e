//! Moments on the wire: civil dates from and to milliseconds since the epoch. No clock.

/// Days since 1970-01-01 of a proleptic Gregorian date.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// Year, month and day of a day number.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// A moment split into calendar fields, UTC.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    milli: i64,
    weekday: usize,
}

/// Years outside 0..=9999 cannot be written in any of the wire's forms; they are clamped.
fn civil(millis: i64) -> Civil {
    const MIN: i64 = -62_167_219_200_000;
    const MAX: i64 = 253_402_300_799_999;
    let millis = millis.clamp(MIN, MAX);
    let days = millis.div_euclid(86_400_000);
    let rest = millis.rem_euclid(86_400_000);
    let (year, month, day) = civil_from_days(days);
    Civil {
        year,
        month,
        day,
        hour: rest / 3_600_000,
        minute: rest / 60_000 % 60,
        second: rest / 1000 % 60,
        milli: rest % 1000,
        // 1970-01-01 was a Thursday.
        weekday: usize::try_from((days + 4).rem_euclid(7)).unwrap_or(0),
    }
}

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Appends `number` with `width` digits, at most four, which every field of a civil date fits into.
fn push(out: &mut String, number: i64, width: usize) {
    let number = u16::try_from(number).unwrap_or(0);
    let digits = [number / 1000, number / 100, number / 10, number].map(|n| (n % 10) as u8);
    for digit in digits.iter().skip(4 - width.min(4)) {
        out.push(char::from(b'0' + digit));
    }
}

/// Appends numbers of these widths, with a separator before each but the first.
fn push_all(out: &mut String, separator: &str, numbers: [(i64, usize); 3]) {
    for (at, (number, width)) in numbers.into_iter().enumerate() {
        if at > 0 {
            out.push_str(separator);
        }
        push(out, number, width);
    }
}

/// `2017-09-05T20:57:46.307Z`; whole seconds when `always_millis` is false and they are zero.
pub fn iso8601(millis: i64, always_millis: bool) -> String {
    let c = civil(millis);
    let mut out = String::with_capacity(24);
    push_all(&mut out, "-", [(c.year, 4), (c.month, 2), (c.day, 2)]);
    out.push('T');
    push_all(&mut out, ":", [(c.hour, 2), (c.minute, 2), (c.second, 2)]);
    if always_millis || c.milli != 0 {
        out.push('.');
        push(&mut out, c.milli, 3);
    }
    out.push('Z');
    out
}

/// `20130524T000000Z`, the form of `x-amz-date`.
pub fn amz_date(millis: i64) -> String {
    let c = civil(millis);
    let mut out = String::with_capacity(16);
    push_all(&mut out, "", [(c.year, 4), (c.month, 2), (c.day, 2)]);
    out.push('T');
    push_all(&mut out, "", [(c.hour, 2), (c.minute, 2), (c.second, 2)]);
    out.push('Z');
    out
}

/// `Fri, 24 May 2013 00:00:00 GMT`, the form of HTTP date headers.
pub fn http_date(millis: i64) -> String {
    let c = civil(millis);
    let mut out = String::with_capacity(29);
    out.push_str(WEEKDAYS[c.weekday % 7]);
    out.push_str(", ");
    push(&mut out, c.day, 2);
    out.push(' ');
    out.push_str(MONTHS[usize::try_from(c.month - 1).unwrap_or(0) % 12]);
    out.push(' ');
    push(&mut out, c.year, 4);
    out.push(' ');
    push_all(&mut out, ":", [(c.hour, 2), (c.minute, 2), (c.second, 2)]);
    out.push_str(" GMT");
    out
}

/// Digits of fixed width at the start of `text`, and the rest.
fn digits(text: &str, width: usize) -> Option<(i64, &str)> {
    let head = text.get(..width)?;
    if !head.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((head.parse().ok()?, text.get(width..)?))
}

/// Checks the fields and counts milliseconds.
fn millis_of(y: i64, mo: i64, d: i64, h: i64, mi: i64, s: i64) -> Option<i64> {
    let leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    let last = match mo {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if d < 1 || d > last || h > 23 || mi > 59 || s > 60 {
        return None;
    }
    // A leap second counts as the last second of its minute.
    Some((days_from_civil(y, mo, d) * 86_400 + h * 3600 + mi * 60 + s.min(59)) * 1000)
}

/// Parses `20130524T000000Z` into milliseconds since the epoch.
pub fn parse_amz_date(text: &str) -> Option<i64> {
    let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
    let [
        y1,
        y2,
        y3,
        y4,
        o1,
        o2,
        d1,
        d2,
        b'T',
        h1,
        h2,
        m1,
        m2,
        s1,
        s2,
        b'Z',
    ] = bytes
    else {
        return None;
    };
    let all = [y1, y2, y3, y4, o1, o2, d1, d2, h1, h2, m1, m2, s1, s2];
    if !all.iter().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let two = |high: &u8, low: &u8| i64::from(high - b'0') * 10 + i64::from(low - b'0');
    let year = two(y1, y2) * 100 + two(y3, y4);
    millis_of(
        year,
        two(o1, o2),
        two(d1, d2),
        two(h1, h2),
        two(m1, m2),
        two(s1, s2),
    )
}

/// Parses ISO 8601 with `-`, `:`, an optional fraction and `Z` or a numeric offset.
pub fn parse_iso8601(text: &str) -> Option<i64> {
    let (y, rest) = digits(text, 4)?;
    let (mo, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let (d, rest) = digits(rest.strip_prefix('-')?, 2)?;
    if rest.is_empty() {
        return millis_of(y, mo, d, 0, 0, 0);
    }
    let (h, rest) = digits(
        rest.strip_prefix('T').or_else(|| rest.strip_prefix(' '))?,
        2,
    )?;
    let (mi, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let (s, mut rest) = match rest.strip_prefix(':') {
        Some(rest) => digits(rest, 2)?,
        None => (0, rest),
    };
    let mut millis = millis_of(y, mo, d, h, mi, s)?;
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(fraction.len());
        if end == 0 {
            return None;
        }
        let mut scale = 100;
        for digit in fraction.bytes().take(end.min(3)) {
            millis += i64::from(digit - b'0') * scale;
            scale /= 10;
        }
        rest = fraction.get(end..)?;
    }
    match rest {
        "Z" | "z" | "" => Some(millis),
        _ => {
            let sign = if rest.starts_with('+') { 1 } else { -1 };
            let rest = rest.strip_prefix(['+', '-'])?;
            let (h, rest) = digits(rest, 2)?;
            let (m, rest) = digits(rest.strip_prefix(':').unwrap_or(rest), 2)?;
            (rest.is_empty() && h < 24 && m < 60).then_some(millis - sign * (h * 60 + m) * 60_000)
        }
    }
}

/// Parses the three HTTP date forms' preferred one (`Fri, 24 May 2013 00:00:00 GMT`, also with a
/// `+0000` zone as SigV2 clients write it).
pub fn parse_http_date(text: &str) -> Option<i64> {
    let rest = text.trim().split_once(", ")?.1;
    let mut words = rest.split_ascii_whitespace();
    let day: i64 = number(words.next()?, 2)?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(month))?;
    let year = number(words.next()?, 4)?;
    let mut clock = words.next()?.splitn(3, ':');
    let h = number(clock.next()?, 2)?;
    let mi = number(clock.next()?, 2)?;
    let s = number(clock.next()?, 2)?;
    match (words.next(), words.next()) {
        (Some("GMT" | "UTC" | "+0000" | "-0000"), None) => {}
        _ => return None,
    }
    millis_of(year, i64::try_from(month).ok()? + 1, day, h, mi, s)
}

/// A decimal number of at most `width` digits.
fn number(text: &str, width: usize) -> Option<i64> {
    if text.is_empty() || text.len() > width || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        let t = 1_369_353_600_000;
        assert_eq!(amz_date(t), "20130524T000000Z");
        assert_eq!(iso8601(t, false), "2013-05-24T00:00:00Z");
        assert_eq!(iso8601(t + 7, false), "2013-05-24T00:00:00.007Z");
        assert_eq!(iso8601(t, true), "2013-05-24T00:00:00.000Z");
        assert_eq!(http_date(t), "Fri, 24 May 2013 00:00:00 GMT");
        assert_eq!(parse_amz_date("20130524T000000Z"), Some(t));
        assert_eq!(parse_http_date("Fri, 24 May 2013 00:00:00 GMT"), Some(t));
        assert_eq!(parse_iso8601("2013-05-24T02:00:00.5+02:00"), Some(t + 500));
        assert_eq!(parse_iso8601("2013-05-24"), Some(t));
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in 0..146_097 {
            let t = day * 86_400_000 + 3_723_004;
            assert_eq!(parse_iso8601(&iso8601(t, true)), Some(t));
            assert_eq!(parse_http_date(&http_date(t)), Some(t - 4));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "20130230T000000Z",
            "20130524T000000",
            "2013052400000Z",
            "2013-5-24",
            "ü",
        ] {
            assert_eq!(parse_amz_date(text), None, "{text}");
            assert_eq!(parse_iso8601(text), None, "{text}");
            assert_eq!(parse_http_date(text), None, "{text}");
        }
        assert_eq!(iso8601(i64::MAX, false), "9999-12-31T23:59:59.999Z");
    }
}
