use tinybert_host::*;
use tinybert_host::progress::Silent;
use tinybert_host::data::*;
fn main() -> Result<()> {
    let a: Vec<String> = std::env::args().collect();
    let ck = checkpoint::Checkpoint::load(a[1].as_ref())?;
    let source = match a[2].as_str() {
        "sst2" => Source::Glue { task: GlueTask::Sst2, folder: "/work/shared/data/glue/SST-2".into() },
        _ => { let d = |n: &str| Some(format!("/work/shared/data/intents/snips/{n}.jsonl").into());
            Source::Table { train: d("train"), dev: d("dev"), test: d("test"), format: None, columns: Columns { text: "text".into(), pair: None, label: Some("label".into()) }, kind: task::TaskKind::Classification } }
    };
    let labels = match &ck.head { checkpoint::Head::Classification { labels } => Some(labels.clone()), _ => None };
    let spec = DataSpec { source, labels };
    let train = load(&spec, Split::Train, &Silent)?;
    let dev = load(&spec, if a[2] == "sst2" { Split::Dev } else { Split::Test }, &Silent)?;
    let t = std::time::Instant::now();
    let q = quantize::quantize(&ck, &train, &quantize::Settings { layout: quantize::Layout::X86, ..Default::default() }, &Silent)?;
    println!("quantize {:?}, {} bytes", t.elapsed(), q.image.len());
    for (i, c) in q.choices.iter().enumerate() { for c in c { println!("layer {i}: static {:?} err {:.2e} per-token {:.2e}", c.fixed, c.static_error, c.per_token_error); } }
    let file = image_file::ImageFile::new(q.image).unwrap();
    let model = file.model()?;
    println!("workspace {}", model.config().workspace_bytes);
    for (k, b) in model.image().section_bytes() { println!("{k:?} {b}"); }
    let targets: Vec<_> = dev.examples.iter().map(|e| e.target).collect();
    let t = std::time::Instant::now();
    let p = evaluate::predictions(&model, &dev)?;
    println!("int8 {:?} in {:?} on {:?}", metrics::evaluate(spec.metrics(), &p, &targets)?, t.elapsed(), model.kernels().isa());
    let judge = train::predict::Judge::new(&ck.text, &dev, spec.metrics(), 128)?;
    println!("float {:?}", judge.judge(&nn::TaskModel::frozen(&ck.config, &ck.head, &ck.tensors)?)?);
    println!("bench {:?}", bench::latency(&model, 32, 1, std::time::Duration::from_millis(500))?);
    Ok(())
}
