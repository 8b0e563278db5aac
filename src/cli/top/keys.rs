//! What is on the screen, and what keys do to it.

use ratatui::crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};

use super::{By, figures::Figures, source::Update};
use crate::proto::v1::RankedMerchant;

/// How many looks the course of orders shows at most.
const COURSE: usize = 240;

/// What is on the screen.
#[derive(Debug)]
pub(super) struct View {
    pub(super) figures: Option<Figures>,
    /// Why there is no answer, while there is none.
    pub(super) silent: Option<String>,
    /// Orders a second, look by look, the latest last.
    pub(super) course: Vec<u64>,
    pub(super) by: By,
    pub(super) merchants: Result<Vec<RankedMerchant>, String>,
    /// The first merchant that is shown.
    pub(super) first: usize,
    pub(super) paused: bool,
}

/// What a key asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    End,
    Rank(By),
}

impl View {
    pub(super) const fn new(by: By) -> Self {
        Self { figures: None, silent: None, course: Vec::new(), by, merchants: Ok(Vec::new()), first: 0, paused: false }
    }

    /// Takes news, unless they are to wait.
    pub(super) fn take(&mut self, update: Update) {
        if self.paused {
            return;
        }
        match update {
            Update::Silent(why) => self.silent = Some(why),
            Update::Merchants(by, merchants) if by == self.by => self.merchants = merchants,
            // They were asked for before something else was.
            Update::Merchants(..) => {}
            Update::Figures(figures) => {
                self.silent = None;
                let Some(figures) = figures else { return };
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is neither")]
                self.course.push((figures.quick + figures.standard).round() as u64);
                let too_many = self.course.len().saturating_sub(COURSE);
                self.course.drain(..too_many);
                self.figures = Some(*figures);
            }
        }
    }

    /// Does what a key says, as far as that is about the screen alone.
    pub(super) fn react(&mut self, event: &Event) -> Option<Wish> {
        let Event::Key(key) = event else { return None };
        if key.kind == KeyEventKind::Release {
            return None;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Some(Wish::End),
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Some(Wish::End),
            KeyCode::Char('s') => {
                (self.by, self.first, self.merchants) = (self.by.next(), 0, Ok(Vec::new()));
                return Some(Wish::Rank(self.by));
            }
            KeyCode::Char('p') => self.paused = !self.paused,
            KeyCode::Down => {
                let last = self.merchants.as_ref().map_or(0, |all| all.len().saturating_sub(1));
                self.first = (self.first + 1).min(last);
            }
            KeyCode::Up => self.first = self.first.saturating_sub(1),
            _ => {}
        }
        None
    }
}
