//! What is wrong with a file of configuration, gathered while it is read.

use std::borrow::Cow;
use std::cell::RefCell;

use crate::finding::{Finding, Place, Rule};
use crate::text::Span;

/// Gathers what is wrong with one file.
#[derive(Debug)]
pub struct Problems {
    file: String,
    rule: &'static Rule,
    findings: RefCell<Vec<Finding>>,
}

impl Problems {
    /// Starts with none.
    pub fn new(file: impl Into<String>, rule: &'static Rule) -> Self {
        Self { file: file.into(), rule, findings: RefCell::default() }
    }

    /// Adds one.
    pub fn add(
        &self,
        span: Span,
        message: impl Into<String>,
        label: impl Into<Cow<'static, str>>,
        help: impl Into<Cow<'static, str>>,
    ) {
        let place = Place::content(self.file.clone(), span);
        let finding = Finding::new(self.rule, place, message).label(label).help(help);
        self.findings.borrow_mut().push(finding);
    }

    /// Says whether there are any.
    pub fn is_empty(&self) -> bool {
        self.findings.borrow().is_empty()
    }

    /// Returns them all.
    pub fn into_findings(self) -> Vec<Finding> {
        self.findings.into_inner()
    }
}
