//! The splitting of scripts for servers: any text is split into statements, in order, each of which splits alone to itself, or is refused.

use switchy_schema::Backend;
use switchy_schema::backend::TransactionFit;

/// The largest size in bytes. Larger scripts are slow, because each statement is searched repeatedly.
pub const MOST: usize = 4096;

/// The offsets at which the statements of a script begin, and the end of the script; `None` if the script is refused.
///
/// # Panics
/// If the offsets are not in the script, or not in ascending order.
pub fn cuts<B: Backend>(script: &str) -> Option<Vec<usize>> {
    assert_eq!(B::offset_of(script, 0), None, "statements are counted from 1");
    let cuts: Vec<usize> = (1..).map_while(|number| B::offset_of(script, number)).collect();
    if cuts.is_empty() {
        return None;
    }
    assert_eq!(cuts.last(), Some(&script.len()), "the script ends elsewhere");
    assert!(cuts.is_sorted_by(|a, b| a < b), "not in its order: {cuts:?}");
    assert!(cuts.iter().all(|&at| script.is_char_boundary(at)), "inside a character: {cuts:?}");
    Some(cuts)
}

/// Decodes the bytes as a script and checks how it is split. A script with the word `state` may change how the rest of it is parsed.
/// `blank` returns the number of bytes at the start of a text that belong to no statement.
///
/// # Panics
/// If the result violates a guarantee.
pub fn check<B: Backend>(data: &[u8], state: &str, blank: fn(&str) -> usize) {
    let script = &*String::from_utf8_lossy(&data[..data.len().min(MOST)]);
    let fit = B::transaction_fit(script);
    if let TransactionFit::Divided(misfit) = &fit {
        assert!(script.is_char_boundary(misfit.offset) && misfit.offset < script.len(), "{misfit:?}");
    }
    let Some(cuts) = cuts::<B>(script) else {
        assert_eq!(fit, TransactionFit::Inside, "what cannot be cut is refused when it runs");
        return;
    };

    // The text after a statement does not affect the statement.
    let number = |place: usize| u32::try_from(place + 1).expect("few statements");
    for (place, &at) in cuts.iter().enumerate().take(cuts.len() - 1) {
        let before = &script[..at];
        assert_eq!(B::offset_of(before, number(place)), Some(at), "without what begins at {at}");
        let last = place.checked_sub(1).map(|last| (B::offset_of(before, number(last)), cuts[last]));
        assert!(last.is_none_or(|(found, cut)| found == Some(cut)), "without what begins at {at}: {last:?}");
    }
    if script.to_lowercase().contains(state) {
        return;
    }
    // Nor does the text before it.
    for (place, &at) in cuts.iter().enumerate().take(cuts.len() - 1) {
        let behind = &script[at..];
        for other in [place, place + 1, cuts.len() - 1] {
            let found = B::offset_of(behind, number(other - place));
            assert_eq!(found, Some(cuts[other] - at), "without what stands before {at}");
        }
    }
    let pieces = cuts.windows(2).map(|ends| &script[ends[0]..ends[1]]);
    // A script is not refused if none of its statements is refused.
    let is_inside = |piece| matches!(B::transaction_fit(piece), TransactionFit::Inside);
    assert!(
        fit == TransactionFit::Inside || !pieces.clone().all(is_inside),
        "the whole is what its statements are"
    );

    // Only blank text is skipped before the first statement, and every statement has an end.
    assert_eq!(blank(&script[..cuts[0]]), cuts[0], "passed over: {:?}", &script[..cuts[0]]);
    for piece in pieces.clone().take(cuts.len().saturating_sub(2)) {
        assert!(piece.contains(';'), "ends too soon: {piece:?}");
        assert_eq!(blank(piece), 0, "begins too soon: {piece:?}");
    }

    // Another statement after complete statements does not change them.
    let more = format!("{script}\n;\nx");
    let mut expected = cuts[..cuts.len() - 1].to_vec();
    expected.extend([more.len() - 1, more.len()]);
    if self::cuts::<B>(&more) == Some(expected) {
        let twice = format!("{script}\n;\n{script}");
        let second = cuts.iter().map(|cut| twice.len() - script.len() + cut);
        let expected = cuts[..cuts.len() - 1].iter().copied().chain(second).collect();
        assert_eq!(self::cuts::<B>(&twice), Some(expected), "written twice");
    }
}

/// A text without white space and semicolons at its start.
pub fn blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c', '\u{feff}', ';'])
}
