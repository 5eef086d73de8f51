//! Says why a text is no expression, as upstream's parser says it.
//!
//! That parser goes on after a mistake: it leaves out a token that is too much, makes up one that is missing, or skips
//! to where something around the mistake can go on, and tells of the next mistake only after it understood a token
//! again. So do we, rule by rule of the grammar in [`mod@super::parse`]. It takes one walk over the tokens, and only texts that are no
//! expressions are walked over.

mod rules;
mod set;

use set::Set;

use super::Complaint;
use super::token::{Lexeme, Token};

/// Mistakes that are tried to go on after.
const MOST_RECOVERIES: u32 = 30;
/// Rules lie at most this deep in each other.
const DEEPEST: usize = 250;

/// The complaints about a text that [`fn@super::parse`] could not read.
pub(super) fn diagnose(text: &str, tokens: &[Lexeme<'_>]) -> Vec<Complaint> {
    let mut reader = Reader {
        text,
        tokens,
        at: 0,
        recovering: false,
        recoveries: 0,
        stuck: None,
        around: Vec::new(),
        depth: 0,
        complaints: Vec::new(),
    };
    // What ends the walk has been complained about.
    let _ended = reader.start();
    reader.complaints
}

/// A rule cannot go on.
enum Mistake {
    /// The token cannot be there.
    Unexpected(Set),
    /// No way to go on is known up to this token.
    NoWay { from: usize, to: usize },
    /// The walk is over.
    Over,
}

type Step = Result<(), Mistake>;

struct Reader<'t> {
    text: &'t str,
    tokens: &'t [Lexeme<'t>],
    at: usize,
    /// Whether no token was understood since the last mistake.
    recovering: bool,
    recoveries: u32,
    /// Where the last mistake was; a second one there skips a token.
    stuck: Option<usize>,
    /// What may follow each of the rules around.
    around: Vec<Set>,
    depth: usize,
    complaints: Vec<Complaint>,
}

impl<'t> Reader<'t> {
    fn lexeme(&self, ahead: usize) -> Option<&Lexeme<'t>> {
        self.tokens.get(self.at.saturating_add(ahead)).or(self.tokens.last())
    }

    fn look(&self, ahead: usize) -> Token {
        self.lexeme(ahead).map_or(Token::End, |lexeme| lexeme.token)
    }

    fn complain(&mut self, place: usize, message: String) {
        let at = self.tokens.get(place).or(self.tokens.last()).map_or(0, |lexeme| lexeme.at);
        self.complaints.push(Complaint::syntax(at, message));
    }

    /// The token as messages show it.
    fn shown(&self, place: usize) -> String {
        let text = self.tokens.get(place).map_or("<EOF>", |lexeme| lexeme.text);
        format!("'{}'", text.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t"))
    }

    fn consume(&mut self) {
        if self.look(0) != Token::End {
            self.at += 1;
        }
    }

    fn understood(&mut self) {
        self.recovering = false;
        self.stuck = None;
        self.consume();
    }

    /// Runs a rule, `follow` being what may follow it where it stands. Its mistakes end with it.
    fn rule(&mut self, follow: Set, body: impl FnOnce(&mut Self) -> Step) -> Step {
        self.around.push(follow);
        let outcome = body(self);
        let outcome = match outcome {
            Err(Mistake::Over) => Err(Mistake::Over),
            Err(mistake) => {
                self.report(&mistake);
                self.recover()
            }
            Ok(()) => Ok(()),
        };
        self.around.pop();
        outcome
    }

    fn report(&mut self, mistake: &Mistake) {
        if std::mem::replace(&mut self.recovering, true) {
            return;
        }
        match mistake {
            Mistake::Unexpected(wanted) => {
                let message = format!("mismatched input {} expecting {wanted}", self.shown(self.at));
                self.complain(self.at, message);
            }
            Mistake::NoWay { from, to } => {
                let text = self.between(*from, *to);
                let message = match text.as_str() {
                    // A reserved word where a name belongs.
                    ".true" | ".false" | ".null" => {
                        format!("mismatched input '{}' expecting IDENTIFIER", text.trim_start_matches('.'))
                    }
                    text => format!("no viable alternative at input '{text}'"),
                };
                self.complain(*to, message);
            }
            Mistake::Over => {}
        }
    }

    /// The text from one token to another, with what stands between.
    fn between(&self, from: usize, to: usize) -> String {
        let lexemes = self.tokens.get(from..=to).unwrap_or_default();
        let mut known = lexemes.iter().filter(|lexeme| lexeme.token != Token::End);
        let start = known.next().map_or(0, |first| first.at);
        let last = known.next_back().or(lexemes.first());
        let size = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let end = last.map_or(0, |last| last.at.saturating_add(size(last.text)));
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        self.text.chars().skip(count(start)).take(count(end.saturating_sub(start))).collect()
    }

    fn attempt(&mut self) -> Step {
        self.recoveries += 1;
        if self.recoveries > MOST_RECOVERIES {
            let message = format!("error recovery attempt limit exceeded: {MOST_RECOVERIES}");
            self.complain(self.at, message);
            return Err(Mistake::Over);
        }
        Ok(())
    }

    /// Skips to what may follow any of the rules around.
    fn recover(&mut self) -> Step {
        self.attempt()?;
        if self.stuck == Some(self.at) {
            self.consume();
        }
        self.stuck = Some(self.at);
        self.skip_to(Set::EMPTY);
        Ok(())
    }

    fn skip_to(&mut self, more: Set) {
        let goal = self.around.iter().fold(more, |all, follow| all.or(*follow));
        while self.look(0) != Token::End && !goal.has(self.look(0)) {
            self.consume();
        }
    }

    /// Tells of a token that is too much.
    fn unwanted(&mut self, wanted: Set) {
        if !std::mem::replace(&mut self.recovering, true) {
            let message = format!("extraneous input {} expecting {wanted}", self.shown(self.at));
            self.complain(self.at, message);
        }
    }

    /// Leaves out the token if the one behind it is wanted.
    fn left_out(&mut self, wanted: Set) -> bool {
        let fits = wanted.has(self.look(1));
        if fits {
            self.unwanted(wanted);
            self.consume();
            self.recovering = false;
        }
        fits
    }

    /// Before a choice: one of these must come next.
    fn one_of(&mut self, wanted: Set) -> Step {
        if self.recovering || wanted.has(self.look(0)) || self.left_out(wanted) {
            return Ok(());
        }
        Err(Mistake::Unexpected(wanted))
    }

    /// Between repetitions: what is none of these is skipped.
    fn again(&mut self, wanted: Set) {
        if !self.recovering && !wanted.has(self.look(0)) {
            self.unwanted(wanted);
            self.skip_to(wanted);
        }
    }

    /// This token, `after` being what may come behind it.
    fn expect(&mut self, token: Token, after: Set) -> Step {
        if self.look(0) == token {
            self.understood();
            return Ok(());
        }
        self.attempt()?;
        let wanted = Set::of(&[token]);
        if self.left_out(wanted) {
            self.understood();
            return Ok(());
        }
        if self.beyond(after).has(self.look(0)) {
            if !std::mem::replace(&mut self.recovering, true) {
                let message = format!("missing {} at {}", token.expected(), self.shown(self.at));
                self.complain(self.at, message);
            }
            return Ok(());
        }
        Err(Mistake::Unexpected(wanted))
    }

    /// What may come next, looking out of the rules that may end.
    fn beyond(&self, after: Set) -> Set {
        let (mut all, mut open) = (after, after.may_end());
        for follow in self.around.iter().rev() {
            if !open {
                break;
            }
            all = all.or(*follow);
            open = follow.may_end();
        }
        all
    }
}
