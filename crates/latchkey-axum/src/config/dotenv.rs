//! The file `.env`: lines of `NAME=value`. Values are taken as they are written; nothing is substituted.

/// A line that sets a variable.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name of the variable.
    pub name: String,
    /// Its value, without quotes.
    pub value: String,
    /// Number of the line, from 1.
    pub line: usize,
}

/// A line that cannot be read. It never repeats the line, which may hold a secret.
#[derive(Debug, PartialEq, Eq)]
pub struct LineError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong with it and what to do.
    pub reason: &'static str,
}

const NO_EQUALS: &str = "it is not written NAME=value";
const NAME: &str = "the name of a setting holds capital letters, digits and underscores only";
const NOT_UTF8: &str = "it is not valid UTF-8";
const TWICE: &str = "an earlier line has the same setting; remove one of them";
const UNCLOSED: &str = "the quote is never closed";
const AFTER_QUOTE: &str = "only a comment may follow the closing quote";
const BACKSLASH: &str = "in double quotes a backslash stands before \", \\ or $ only; use single quotes";
const DOLLAR: &str = "nothing is substituted for a $; put the value in single quotes";
const SPECIAL: &str = "put a value with quotes, backslashes or backticks in single quotes";
const SPACES: &str = "put a value with spaces in quotes";

/// Reads the lines that set variables with this prefix. Lines of other variables are skipped without reading their values.
pub fn parse(file: &[u8], prefix: &str) -> Result<Vec<Entry>, LineError> {
    let mut entries: Vec<Entry> = Vec::new();
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    for (index, line) in file.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let refused = |reason| LineError { line: number, reason };
        let Some(entry) = entry(line.trim_ascii(), prefix, number).map_err(refused)? else {
            continue;
        };
        // Shells take the last one and other readers of such files the first.
        if entries.iter().any(|known| known.name == entry.name) {
            return Err(refused(TWICE));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn entry(line: &[u8], prefix: &str, number: usize) -> Result<Option<Entry>, &'static str> {
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    let line = match line.strip_prefix(b"export") {
        Some(rest) if rest.first().is_some_and(u8::is_ascii_whitespace) => rest.trim_ascii_start(),
        _ => line,
    };
    let equals = line.iter().position(|byte| *byte == b'=').ok_or(NO_EQUALS)?;
    let (name, value) = (line[..equals].trim_ascii_end(), &line[equals + 1..]);
    if !name.starts_with(prefix.as_bytes()) {
        return Ok(None);
    }
    let (name, value) = (
        str::from_utf8(name).map_err(|_| NOT_UTF8)?,
        str::from_utf8(value).map_err(|_| NOT_UTF8)?,
    );
    // An error that names the variable must not print a value that stands on the wrong side of the equals sign.
    if !name
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    {
        return Err(NAME);
    }
    Ok(Some(Entry {
        name: name.to_owned(),
        value: unquoted(value)?,
        line: number,
    }))
}

/// The value of what stands behind the equals sign.
fn unquoted(text: &str) -> Result<String, &'static str> {
    let trimmed = text.trim_start();
    if let Some(inside) = trimmed.strip_prefix('\'') {
        let (value, rest) = inside.split_once('\'').ok_or(UNCLOSED)?;
        return only_comment(rest, AFTER_QUOTE).map(|()| value.to_owned());
    }
    if let Some(inside) = trimmed.strip_prefix('"') {
        return double_quoted(inside);
    }
    if trimmed.starts_with('#') && trimmed.len() < text.len() {
        return Ok(String::new());
    }
    let (value, rest) = trimmed.split_at(trimmed.find(char::is_whitespace).unwrap_or(trimmed.len()));
    if value.contains('$') {
        return Err(DOLLAR);
    }
    if value.contains(['\'', '"', '\\', '`']) {
        return Err(SPECIAL);
    }
    only_comment(rest, SPACES).map(|()| value.to_owned())
}

fn double_quoted(inside: &str) -> Result<String, &'static str> {
    let mut value = String::new();
    let mut rest = inside.chars();
    loop {
        match rest.next().ok_or(UNCLOSED)? {
            '"' => return only_comment(rest.as_str(), AFTER_QUOTE).map(|()| value),
            '\\' => value.push(rest.next().filter(|escaped| "\"\\$".contains(*escaped)).ok_or(BACKSLASH)?),
            character => value.push(character),
        }
    }
}

fn only_comment(rest: &str, reason: &'static str) -> Result<(), &'static str> {
    let comment = rest.trim_start();
    if comment.is_empty() || (comment.starts_with('#') && comment.len() < rest.len()) {
        Ok(())
    } else {
        Err(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> Result<String, &'static str> {
        match parse(line.as_bytes(), "LATCHKEY_") {
            Ok(entries) => Ok(entries.into_iter().map(|entry| entry.value).collect()),
            Err(error) => Err(error.reason),
        }
    }

    #[test]
    fn values_are_taken_as_they_are_written() {
        for (line, expected) in [
            ("LATCHKEY_A=b", "b"),
            ("export LATCHKEY_A=b", "b"),
            (" LATCHKEY_A = b # c", "b"),
            ("LATCHKEY_A=a=b#c", "a=b#c"),
            ("LATCHKEY_A=", ""),
            ("LATCHKEY_A= # c", ""),
            ("LATCHKEY_A='a $b \"c\" #d'", "a $b \"c\" #d"),
            (r#"LATCHKEY_A="a \"b\" \\ \$c $d" # e"#, r#"a "b" \ $c $d"#),
            ("\u{feff}LATCHKEY_A=b\r", "b"),
            ("exported=1\nB=${\n# LATCHKEY_A=c", ""),
        ] {
            assert_eq!(value(line), Ok(expected.to_owned()), "{line}");
        }
    }

    #[test]
    fn anything_ambiguous_is_refused() {
        for (line, reason) in [
            ("LATCHKEY_A", NO_EQUALS),
            ("anything", NO_EQUALS),
            ("LATCHKEY_A b=c", NAME),
            ("LATCHKEY_a=c", NAME),
            ("LATCHKEY_A=a$b", DOLLAR),
            ("LATCHKEY_A=$(a b)", DOLLAR),
            ("LATCHKEY_A=a\\b", SPECIAL),
            ("LATCHKEY_A=a'b'", SPECIAL),
            ("LATCHKEY_A=a b", SPACES),
            ("LATCHKEY_A='a", UNCLOSED),
            ("LATCHKEY_A=\"a\\\"", UNCLOSED),
            ("LATCHKEY_A=\"a\\n\"", BACKSLASH),
            ("LATCHKEY_A='a'b", AFTER_QUOTE),
            ("LATCHKEY_A='a'#b", AFTER_QUOTE),
            ("LATCHKEY_A=a\nLATCHKEY_A=a", TWICE),
        ] {
            assert_eq!(value(line), Err(reason), "{line}");
        }
        assert_eq!(
            parse(b"\n\nLATCHKEY_A=\xff", "LATCHKEY_"),
            Err(LineError { line: 3, reason: NOT_UTF8 })
        );
        assert_eq!(parse(b"OTHER=\xff", "LATCHKEY_"), Ok(Vec::new()));
    }
}
