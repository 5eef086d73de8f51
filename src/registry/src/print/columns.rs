//! The columns of every kind's table.

use std::collections::HashMap;
use std::sync::LazyLock;

/// One column of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// The heading.
    pub name: &'static str,
    /// `string`, `integer`, `boolean` or `date`.
    pub ty: &'static str,
    /// `name` for the column that names the object; else empty.
    pub format: &'static str,
    /// What the column shows.
    pub description: String,
    /// 0 is always shown; higher ones only in wide output.
    pub priority: i32,
}

type Columns = HashMap<&'static str, HashMap<&'static str, Vec<Column>>>;

static COLUMNS: LazyLock<Columns> = LazyLock::new(|| read(include_str!("columns.tsv")));

/// The columns of a resource. A resource without a printer of its own has a name and a creation time.
pub fn columns(group: &str, resource: &str) -> &'static [Column] {
    of(group, resource).or_else(|| of("", "limitranges")).unwrap_or_default()
}

fn of(group: &str, resource: &str) -> Option<&'static [Column]> {
    COLUMNS.get(group)?.get(resource).map(Vec::as_slice)
}

fn read(table: &'static str) -> Columns {
    let mut all = Columns::new();
    for line in table.lines().skip(1) {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or_default();
        let (group, resource) = (next(), next());
        let (name, ty, format, priority) = (next(), next(), next(), next());
        let description = next().replace("\\n", "\n").replace("\\\\", "\\");
        let priority = priority.parse().unwrap_or_default();
        let column = Column { name, ty, format, description, priority };
        all.entry(group).or_default().entry(resource).or_default().push(column);
    }
    all
}
