//! The cutting of scripts for servers: whatever the text is, statements in their order, each the same alone, or none.

use switchy_schema::Backend;
use switchy_schema::backend::TransactionFit;

/// More bytes than this make it slow: each statement is looked for again and again.
const MOST: usize = 4096;

/// Where the statements of a script begin, and where it ends; `None` if it is refused.
///
/// # Panics
/// If these are no places of the script, in its order.
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

/// Reads the bytes as a script and checks how it is cut. With the word `state` it can say how the rest of it is read, and `blank`
/// says how many bytes a text begins with that belong to no statement.
///
/// # Panics
/// If that breaks a promise.
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

    // What stands behind a statement says nothing about it.
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
    // Nor does what stands before it.
    for (place, &at) in cuts.iter().enumerate().take(cuts.len() - 1) {
        let behind = &script[at..];
        for other in [place, place + 1, cuts.len() - 1] {
            let found = B::offset_of(behind, number(other - place));
            assert_eq!(found, Some(cuts[other] - at), "without what stands before {at}");
        }
    }
    let pieces = cuts.windows(2).map(|ends| &script[ends[0]..ends[1]]);
    // What no statement of it refuses, it does not refuse.
    let is_inside = |piece| matches!(B::transaction_fit(piece), TransactionFit::Inside);
    assert!(
        fit == TransactionFit::Inside || !pieces.clone().all(is_inside),
        "the whole is what its statements are"
    );

    // Before the first nothing is passed over that could be a statement, and none ends without an end.
    assert_eq!(blank(&script[..cuts[0]]), cuts[0], "passed over: {:?}", &script[..cuts[0]]);
    for piece in pieces.clone().take(cuts.len().saturating_sub(2)) {
        assert!(piece.contains(';'), "ends too soon: {piece:?}");
        assert_eq!(blank(piece), 0, "begins too soon: {piece:?}");
    }

    // Behind whole statements others can stand, and these are the same.
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

/// A text without the white space and semicolons that it begins with.
pub fn blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c', '\u{feff}', ';'])
}
