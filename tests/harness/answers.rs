//! What a store answers, as plain values that can be compared, printed and kept in a file. Numbers that must agree to
//! the last bit are kept as their bits.

use serde_json::{Map, Value, json};
use siltstone::{Collection, Filter, Order, Result, Row, Search, Store, View};

use crate::fixture::vector;

/// All that a row consists of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowValue {
    /// Its key.
    pub key: String,
    /// The bits of its elements.
    pub vector: Vec<u32>,
    /// Its metadata, as JSON; empty when there is none.
    pub metadata: String,
    /// Its text.
    pub text: String,
    /// The commit that wrote it.
    pub commit: u64,
    /// Its segment, and its number there.
    pub place: (u64, u32),
}

impl From<&Row<'_>> for RowValue {
    fn from(row: &Row<'_>) -> Self {
        Self {
            key: row.key.to_owned(),
            vector: row.vector.iter().map(|element| element.to_bits()).collect(),
            metadata: text_of(&row.metadata),
            text: row.text.clone(),
            commit: row.commit.0,
            place: (row.place.segment.0, row.place.row.0),
        }
    }
}

fn text_of(metadata: &Map<String, Value>) -> String {
    if metadata.is_empty() { String::new() } else { Value::Object(metadata.clone()).to_string() }
}

/// A search.
#[derive(Debug, Clone)]
pub struct Question {
    /// The query.
    pub vector: Vec<f32>,
    /// How many rows.
    pub top_k: usize,
    /// Only rows that match.
    pub filter: Option<String>,
}

impl Question {
    /// As the engine takes it.
    pub fn search(&self) -> Search {
        let search = Search::new(self.top_k);
        match &self.filter {
            Some(filter) => search.filter(Filter::parse(filter).unwrap()),
            None => search,
        }
    }
}

/// The searches that every collection of these dims is asked.
pub fn questions(dims: u32) -> Vec<Question> {
    let ask = |seed, top_k, filter: Option<&str>| Question {
        vector: vector(dims, seed),
        top_k,
        filter: filter.map(str::to_owned),
    };
    vec![ask(1000, 100, None), ask(1001, 3, None), ask(1002, 5, Some("chunk <= 2 or seed in (1, 2)"))]
}

/// Key and bits of the score of each hit, best first.
pub type Hits = Vec<(String, u64)>;

/// A moment of a collection: the last commit, or a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The collection.
    pub collection: String,
    /// The snapshot; the last commit without one.
    pub snapshot: Option<String>,
    /// Its last commit.
    pub commit: u64,
    /// Its rows, by key.
    pub rows: Vec<RowValue>,
    /// What [`questions`] found.
    pub searches: Vec<Hits>,
}

impl Moment {
    fn read(view: &View, snapshot: Option<&str>) -> Result<Self> {
        let rows = view.iter(Order::Key)?.map(|row| Ok(RowValue::from(&row?))).collect::<Result<_>>()?;
        let searches = questions(view.identity().dims).into_iter().map(|question| ask(view, &question));
        Ok(Self {
            collection: view.collection().to_owned(),
            snapshot: snapshot.map(str::to_owned),
            commit: view.commit().0,
            rows,
            searches: searches.collect::<Result<_>>()?,
        })
    }

    /// The row with this key.
    pub fn get(&self, key: &str) -> Option<&RowValue> {
        self.rows.iter().find(|row| row.key == key)
    }
}

/// Asks a view.
///
/// # Errors
/// As [`View::search`].
pub fn ask(view: &View, question: &Question) -> Result<Hits> {
    let answer = view.search(&question.vector, &question.search())?;
    Ok(answer.hits.into_iter().map(|hit| (hit.key, hit.score.to_bits())).collect())
}

/// Everything that a store answers.
///
/// # Errors
/// Damage, or a disk that cannot be read.
pub fn answers(store: &Store) -> Result<Vec<Moment>> {
    let mut moments = Vec::new();
    for name in store.all_names()? {
        moments.extend(answers_of(&store.collection(&name)?)?);
    }
    Ok(moments)
}

/// Everything that a collection answers.
///
/// # Errors
/// Damage, or a disk that cannot be read.
pub fn answers_of(collection: &Collection) -> Result<Vec<Moment>> {
    let mut moments = vec![Moment::read(&collection.view()?, None)?];
    for snapshot in collection.snapshots()? {
        moments.push(Moment::read(&collection.snapshot(&snapshot.name)?, Some(&snapshot.name))?);
    }
    Ok(moments)
}

/// Answers as JSON. Elements and scores are the hex digits of their bits, the highest first.
pub fn to_json(store: &Store) -> Result<Value> {
    let mut collections = Vec::new();
    for name in store.all_names()? {
        let collection = store.collection(&name)?;
        let questions = questions(collection.identity().dims);
        let moments = answers_of(&collection)?;
        let moments: Vec<Value> = moments.iter().map(|moment| moment_json(moment, &questions)).collect();
        let identity = collection.identity();
        collections.push(json!({
            "name": name,
            "collection": collection.directory().file_name().map(|id| id.to_string_lossy().into_owned()),
            "dims": identity.dims,
            "metric": identity.metric.name(),
            "moments": moments,
        }));
    }
    Ok(json!({ "collections": collections }))
}

fn moment_json(moment: &Moment, questions: &[Question]) -> Value {
    let rows = moment.rows.iter().map(|row| {
        json!({
            "key": row.key,
            "vector": row.vector.iter().map(|bits| format!("{bits:08x}")).collect::<Vec<_>>().join(" "),
            "metadata": serde_json::from_str::<Value>(&row.metadata).unwrap_or(Value::Null),
            "text": row.text,
            "commit": row.commit,
            "segment": row.place.0,
            "row": row.place.1,
        })
    });
    let searches = moment.searches.iter().zip(questions).map(|(hits, question)| {
        let vector: Vec<String> =
            question.vector.iter().map(|element| format!("{:08x}", element.to_bits())).collect();
        let hits = hits.iter().map(|(key, bits)| json!({"key": key, "score": format!("{bits:016x}")}));
        json!({
            "vector": vector.join(" "),
            "top_k": question.top_k,
            "filter": question.filter,
            "hits": hits.collect::<Vec<_>>(),
        })
    });
    json!({
        "snapshot": moment.snapshot,
        "commit": moment.commit,
        "rows": rows.collect::<Vec<_>>(),
        "searches": searches.collect::<Vec<_>>(),
    })
}
