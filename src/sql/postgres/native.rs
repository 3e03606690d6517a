//! The C functions of libpg_query: the raw parser and the PL/pgSQL compiler of the PostgreSQL server.
//!
//! The crate `pg_query` builds and links the library; its own functions drop the place of an error, so these two are
//! called here. The only file with `unsafe` code. Knows how to ask and what comes back; refuses to interpret.
//!
//! Declarations follow `pg_query.h` of libpg_query 18. Memory: each result is freed by the library once its strings
//! are copied. Threads: the library keeps its memory context in a thread-local variable.

use std::ffi::{CStr, CString, c_char, c_int};

// Links the library.
use pg_query as _;

/// What the parser says against a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Its message, as the server words it.
    pub message: String,
    /// Which character of the text it points at, from 1.
    pub character: Option<usize>,
    /// Where it happened, in the library's words: names the line of a body.
    pub context: String,
}

#[repr(C)]
struct CError {
    message: *mut c_char,
    funcname: *mut c_char,
    filename: *mut c_char,
    lineno: c_int,
    cursorpos: c_int,
    context: *mut c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CSplitResult {
    stmts: *mut *mut CSplitStatement,
    n_stmts: c_int,
    stderr_buffer: *mut c_char,
    error: *mut CError,
}

#[repr(C)]
struct CSplitStatement {
    stmt_location: c_int,
    stmt_len: c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CBodyResult {
    plpgsql_funcs: *mut c_char,
    error: *mut CError,
}

#[expect(unsafe_code, reason = "the declarations of pg_query.h")]
unsafe extern "C" {
    fn pg_query_split_with_parser(input: *const c_char) -> CSplitResult;
    fn pg_query_free_split_result(result: CSplitResult);
    fn pg_query_parse_plpgsql(input: *const c_char) -> CBodyResult;
    fn pg_query_free_plpgsql_parse_result(result: CBodyResult);
}

/// Parses a text as SQL; returns the byte at which each of its statements begins.
///
/// # Errors
/// What the parser says against it.
pub fn parse(text: &str) -> Result<Vec<usize>, Complaint> {
    let text = terminated(text)?;
    #[expect(
        unsafe_code,
        reason = "text is terminated and outlives the call; the result is freed once and not used then"
    )]
    unsafe {
        let result = pg_query_split_with_parser(text.as_ptr());
        let answer = match complaint(result.error) {
            Some(complaint) => Err(complaint),
            None => Ok(starts(&result)),
        };
        pg_query_free_split_result(result);
        answer
    }
}

/// Compiles the PL/pgSQL bodies of a text: of `DO`, and of functions and procedures in that language.
///
/// # Errors
/// What the compiler says against them.
pub fn compile(text: &str) -> Result<(), Complaint> {
    let text = terminated(text)?;
    #[expect(
        unsafe_code,
        reason = "text is terminated and outlives the call; the result is freed once and not used then"
    )]
    unsafe {
        let result = pg_query_parse_plpgsql(text.as_ptr());
        let answer = complaint(result.error).map_or(Ok(()), Err);
        pg_query_free_plpgsql_parse_result(result);
        answer
    }
}

/// A C string; a text with a zero byte is none, and the server takes no such text either.
fn terminated(text: &str) -> Result<CString, Complaint> {
    CString::new(text).map_err(|error| Complaint {
        message: "a zero byte stands in the text".to_owned(),
        character: Some(text[..error.nul_position()].chars().count() + 1),
        context: String::new(),
    })
}

#[expect(unsafe_code, reason = "the library hands out as many pointers as it counts")]
unsafe fn starts(result: &CSplitResult) -> Vec<usize> {
    let count = usize::try_from(result.n_stmts).unwrap_or(0);
    let location = |index: usize| unsafe { (**result.stmts.add(index)).stmt_location };
    (0..count).map(|index| usize::try_from(location(index)).unwrap_or(0)).collect()
}

#[expect(unsafe_code, reason = "the pointer is null or to an error that the library owns until it is freed")]
unsafe fn complaint(error: *const CError) -> Option<Complaint> {
    let error = unsafe { error.as_ref() }?;
    let words = |text: *const c_char| {
        if text.is_null() { String::new() } else { unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned() }
    };
    Some(Complaint {
        message: words(error.message),
        character: usize::try_from(error.cursorpos).ok().filter(|position| *position > 0),
        context: words(error.context),
    })
}
