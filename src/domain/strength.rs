//! How hard a password looks to guess. A hint while it is typed, never a rule: rules are in [`super::Password`].

/// A rough grade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// Short, or of a few characters over and over.
    Weak,
    /// Well enough where guesses are counted.
    Fair,
    /// Long enough even for somebody who has the hash.
    Strong,
}

impl Strength {
    /// Grades a password by how many of its characters could not be told from the one before, and by how many
    /// different ones there are. Knows no words: those are the server's, which refuses the common ones.
    pub fn of(password: &str) -> Self {
        let mut surprises = 0_usize;
        let mut kinds = Vec::new();
        let mut before = None;
        for character in password.chars().map(u32::from) {
            if before.is_none_or(|before| character.abs_diff(before) > 1) {
                surprises += 1;
            }
            if !kinds.contains(&character) {
                kinds.push(character);
            }
            before = Some(character);
        }
        match surprises.min(2 * kinds.len()) {
            0..=9 => Self::Weak,
            10..=14 => Self::Fair,
            _ => Self::Strong,
        }
    }

    /// For the reader.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Weak => "Weak. A few more words make it hard to guess.",
            Self::Fair => "Fair. Longer is stronger.",
            Self::Strong => "Strong.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_and_repetition_does_not() {
        for (password, strength) in [
            ("", Strength::Weak),
            ("12345678", Strength::Weak),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", Strength::Weak),
            ("abcdefghijklmnopqrstuvwxyz", Strength::Weak),
            ("abababababababababab", Strength::Weak),
            ("K7#pq!2x", Strength::Weak),
            ("Tr0ub4dor&3x", Strength::Fair),
            ("quiet harbour lantern", Strength::Strong),
            ("тихая гавань и фонарь", Strength::Strong),
        ] {
            assert_eq!(Strength::of(password), strength, "{password}");
        }
    }
}
