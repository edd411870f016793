//! The equations of HTML pages. What stands between dollars becomes MathML, which a browser draws without a script and
//! without a network.

use std::fs;
use std::path::Path;

use pulldown_latex::config::{DisplayMode, RenderConfig};
use pulldown_latex::{Parser, ParserError, Storage, push_mathml};

use crate::failure::{Failure, Result};

/// Elements whose text is no mathematics.
const VERBATIM: [&str; 7] = ["code", "pre", "script", "style", "textarea", "title", "math"];

/// A browser takes the first of these that is there; with letters of another typeface it would place indices by the wrong sizes.
const STYLE: &str = "<style>math { font-family: \"Latin Modern Math\", \"STIX Two Math\", \"Cambria Math\", \
                     \"DejaVu Math TeX Gyre\", math; }</style>";

/// Draws the equations of all pages below a folder, in place; what stands between dollars and is none is returned.
pub(crate) fn draw(folder: &Path) -> Result<Vec<String>> {
    let mut strange = vec![];
    for entry in fs::read_dir(folder).map_err(Failure::file("read", folder))? {
        let path = entry.map_err(Failure::file("read", folder))?.path();
        if path.is_dir() {
            strange.extend(draw(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "html") {
            let page = fs::read_to_string(&path).map_err(Failure::file("read", &path))?;
            let (drawn, none) = drawn(&page);
            if drawn != page {
                fs::write(&path, drawn).map_err(Failure::file("write", &path))?;
            }
            strange.extend(none.into_iter().map(|none| format!("{}: {none}", path.display())));
        }
    }
    Ok(strange)
}

/// A page with its equations drawn, and what stands between dollars and is none.
fn drawn(page: &str) -> (String, Vec<String>) {
    let (mut out, mut strange, mut rest) = (String::with_capacity(page.len()), vec![], page);
    while let Some(at) = rest.find('<') {
        text(&rest[..at], &mut out, &mut strange);
        let length = tag(&rest[at..]);
        out.push_str(&rest[at..at + length]);
        rest = &rest[at + length..];
    }
    text(rest, &mut out, &mut strange);
    if out != page {
        out = out.replacen("</head>", &format!("{STYLE}</head>"), 1);
    }
    (out, strange)
}

/// The length of a tag, or of the whole element where its text is no mathematics.
fn tag(rest: &str) -> usize {
    if rest.starts_with("<!--") {
        return rest.find("-->").map_or(rest.len(), |end| end + 3);
    }
    let mut quoted = false;
    let end = rest.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == b'>' && !quoted
    });
    let length = end.map_or(rest.len(), |end| end + 1);
    let name = rest[1..length].split([' ', '\n', '>', '/']).next().unwrap_or_default();
    if !VERBATIM.contains(&name) {
        return length;
    }
    rest.find(&format!("</{name}>")).unwrap_or(length)
}

/// Text between two tags.
fn text(mut rest: &str, out: &mut String, strange: &mut Vec<String>) {
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (dollars, mode) =
            if rest.starts_with("$$") { ("$$", DisplayMode::Block) } else { ("$", DisplayMode::Inline) };
        let Some((tex, after)) = rest[dollars.len()..].split_once(dollars) else {
            strange.push(format!("dollars that are not closed: {:.60}", rest.trim()));
            break;
        };
        match mathml(&unescaped(tex), mode) {
            Ok(drawn) => out.push_str(&drawn),
            Err(problem) => {
                strange.push(format!("`{tex}` is no equation: {problem}"));
                out.push_str(&rest[..rest.len() - after.len()]);
            }
        }
        rest = after;
    }
    out.push_str(rest);
}

/// Of what Markdown has made of it.
fn unescaped(text: &str) -> String {
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("’", "'")];
    plain.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to)).replace("&amp;", "&")
}

fn mathml(tex: &str, display_mode: DisplayMode) -> Result<String, String> {
    let storage = Storage::new();
    let parsed: Result<Vec<_>, ParserError> = Parser::new(tex, &storage).collect();
    let events = parsed.map_err(|error| error.to_string().replace('\n', " "))?.into_iter().map(Ok::<_, ParserError>);
    let mut drawn = String::new();
    push_mathml(&mut drawn, events, RenderConfig { display_mode, ..RenderConfig::default() })
        .map_err(|error| error.to_string())?;
    Ok(drawn.replace("<mo><</mo>", "<mo>&lt;</mo>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_of_the_text_are_drawn_and_nothing_else_is() {
        let page = "<head></head><p title=\"a > $x$\">of $x_1$, and\n$$ E|v’|^2 &lt; \\frac12 $$</p><pre>$x$ <b>$y$</b></pre>\
                    <!-- $z$ > --><script>a < b; $x$</script><code class=\"a\">$HOME</code>";
        let (found, strange) = drawn(page);
        assert!(strange.is_empty(), "{strange:?}");
        for kept in [
            "</style></head><p title=\"a > $x$\">of <math",
            "<msub>",
            "display=\"block\"",
            "<mfrac>",
            "′",
            "<mo>&lt;</mo>",
            "</math></p><pre>$x$ <b>$y$</b></pre><!-- $z$ > --><script>a < b; $x$</script>",
            "<code class=\"a\">$HOME</code>",
        ] {
            assert!(found.contains(kept), "no {kept} in {found}");
        }
        assert_eq!(found.matches("<math").count(), 2);
        assert_eq!(drawn(&found), (found, vec![]));
    }

    /// Text without fences and without code in it.
    fn prose(text: &str) -> String {
        let fences: String = text.split("```").step_by(2).collect();
        fences.split('`').step_by(2).collect()
    }

    /// Whether Markdown makes letters slant, between an underscore after punctuation and one before it, or begins a list.
    fn is_markdown(tex: &str) -> bool {
        let apart = |letter: char| letter.is_ascii_punctuation() || letter.is_whitespace();
        let around: Vec<(char, char)> = tex
            .char_indices()
            .filter(|(_, letter)| *letter == '_')
            .filter_map(|(at, _)| Some((tex[..at].chars().next_back()?, tex[at + 1..].chars().next()?)))
            .collect();
        let opens = around.iter().position(|(before, after)| apart(*before) && !after.is_whitespace());
        let slants = opens.is_some_and(|first| {
            around[first + 1..].iter().any(|(before, after)| apart(*after) && !before.is_whitespace())
        });
        slants
            || tex.lines().skip(1).any(|line| ["- ", "+ ", "* "].iter().any(|mark| line.trim_start().starts_with(mark)))
    }

    /// Markdown takes a backslash away that stands before punctuation.
    fn survives(tex: &str) -> bool {
        // Two stand for one, and `\|` for the stroke that would end a cell of a table.
        let plain = tex.replace(r"\\", "").replace(r"\|", "|");
        let taken = |pair: &[u8]| pair[0] == b'\\' && (pair[1].is_ascii_punctuation() || pair[1] == b'\n');
        !plain.as_bytes().windows(2).any(taken)
            && !is_markdown(tex)
            && mathml(&tex.replace(r"\\", r"\"), DisplayMode::Inline).is_ok()
    }

    fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" && name != "runs" {
                sources(&path, found);
            } else if name.ends_with(".md") {
                found.push((path.display().to_string(), fs::read_to_string(path).unwrap()));
            } else if name.ends_with(".rs") && !path.iter().any(|part| part == "tests") {
                let text = fs::read_to_string(&path).unwrap();
                let comment = |line: &str| {
                    ["///", "//!"].iter().find_map(|mark| line.trim().strip_prefix(mark)).map(str::to_owned)
                };
                // A comment ends where a line is none.
                let lines: Vec<String> =
                    text.lines().map(|line| comment(line).unwrap_or_else(|| "\0".into())).collect();
                found.extend(lines.join("\n").split('\0').map(|text| (path.display().to_string(), text.to_owned())));
            }
        }
    }

    #[test]
    fn the_equations_of_documents_and_of_sources_are_equations() {
        let mut texts = vec![];
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut texts);
        let (mut wrong, mut count) = (vec![], 0);
        for (path, text) in &texts {
            let prose = prose(text).replace("$$", "$");
            let parts: Vec<&str> = prose.split('$').collect();
            if parts.len().is_multiple_of(2) {
                wrong.push(format!("{path}: dollars that are not closed: {:.80}", parts[parts.len() - 1]));
            }
            for tex in parts.iter().skip(1).step_by(2) {
                count += 1;
                if !survives(tex) {
                    wrong.push(format!("{path}: {tex}"));
                }
            }
        }
        assert!(count > 500, "{count}");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn what_is_no_equation_is_left_and_said() {
        let page = "<p>$\\frac{1$ and $x</p>";
        let (found, strange) = drawn(page);
        assert_eq!(found, page);
        assert!(strange.len() == 2 && strange[0].contains("`\\frac{1` is no equation"), "{strange:?}");
    }
}
