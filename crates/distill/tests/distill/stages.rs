//! Distilling toy teachers into toy students from folder to folder.

use std::collections::BTreeMap;
use std::path::Path;

use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::{Dataset, Target};
use tinybert_data::{Batch, EncodedSet};
use tinybert_distill::alignment::Align;
use tinybert_distill::{
    EncodedCorpus, GeneralReport, GeneralSettings, StageRecipe, TaskSettings,
    alignment::Alignment,
    distill_general, distill_task,
    teacher::TeacherOutput,
    transfer::{Transfer, TransferSettings},
};
use tinybert_evaluate::judge::encode;
use tinybert_model::{BertConfig, Checkpoint, Head};
use tinybert_nn::{Bert, Mode, Parameters, init_parameters};
use tinybert_testing::toy;
use tinybert_train::session::MicroBatch;
use tinybert_train::{FineTune, Recipe, TaskData, fine_tune};

/// A four-layer teacher fine-tuned on `train`, in `place/teacher`.
fn teacher(place: &Path, train: &Dataset, dev: &Dataset, metrics: MetricSet) -> Checkpoint {
    let fresh = toy::model(&place.join("fresh"), &toy::config(4, 32), &Head::None);
    let settings = FineTune {
        max_tokens: 16,
        recipe: Recipe { epochs: 4, batch_size: 8, learning_rate: 1e-3, ..FineTune::default().recipe },
        ..FineTune::default()
    };
    let data = TaskData { train, dev, metrics };
    let report = fine_tune(&settings, &fresh, &data, place.join("teacher"), &Context::default()).unwrap();
    // Scores of two values leave many ranks equal, which Spearman's correlation does not forgive.
    assert!(report.dev.primary() > 0.9, "{report:?}");
    Checkpoint::load(&place.join("teacher")).unwrap()
}

fn student(place: &Path) -> Checkpoint {
    toy::model(&place.join("student"), &toy::config(2, 16), &Head::None)
}

fn task_settings() -> TaskSettings {
    let defaults = TaskSettings::default();
    let stage = |stage, epochs| StageRecipe { epochs, batch_size: 8, learning_rate: 2e-3, ..stage };
    TaskSettings {
        intermediate: stage(defaults.intermediate.clone(), 4),
        prediction: stage(defaults.prediction.clone(), 4),
        max_tokens: 16,
        ..defaults
    }
}

fn general_settings() -> GeneralSettings {
    GeneralSettings {
        max_tokens: 16,
        recipe: Recipe {
            epochs: 4,
            batch_size: 8,
            micro_batch: 8,
            learning_rate: 2e-3,
            ..GeneralSettings::default().recipe
        },
        ..GeneralSettings::default()
    }
}

/// First and last logged value of a part of the loss.
fn ends(folder: &Path, session: &str, part: &str) -> (f64, f64) {
    let values: Vec<f64> = toy::metrics(folder)
        .iter()
        .filter(|line| line["session"] == session && line["parts"].is_object())
        .map(|line| line["parts"][part].as_f64().unwrap())
        .collect();
    (values[0], values[values.len() - 1])
}

#[test]
fn a_student_learns_its_teachers_task_from_unlabelled_text() {
    let place = tempfile::tempdir().unwrap();
    let (mut train, dev) = (toy::sentences(200, 1), toy::sentences(60, 2));
    let teacher = teacher(place.path(), &train, &dev, MetricSet::Accuracy);
    for example in &mut train.examples {
        example.target = Target::None;
    }
    let data = TaskData { train: &train, dev: &dev, metrics: MetricSet::Accuracy };
    let out = place.path().join("out");
    let report =
        distill_task(&task_settings(), &teacher, &student(place.path()), &data, &out, &Context::default())
            .unwrap();
    assert!(report.dev.primary() >= report.teacher.as_ref().unwrap().primary() - 0.05, "{report:?}");
    assert_eq!(Checkpoint::load(&out).unwrap().head, teacher.head);
    for part in ["embedding", "hidden", "attention"] {
        let (first, last) = ends(&out, "intermediate", part);
        assert!(last < 0.8 * first, "{part}: {first} to {last}");
    }
    assert!(!toy::run_folder(&out).exists());
}

#[test]
fn regression_learns_the_teachers_scores() {
    let place = tempfile::tempdir().unwrap();
    let (mut train, dev) = (toy::scored(200, 1), toy::scored(60, 2));
    let teacher = teacher(place.path(), &train, &dev, MetricSet::PearsonAndSpearman);
    for example in &mut train.examples {
        // Gold scores that would teach the opposite.
        let Target::Score(score) = example.target else { unreachable!() };
        example.target = Target::Score(-score);
    }
    let data = TaskData { train: &train, dev: &dev, metrics: MetricSet::PearsonAndSpearman };
    let out = place.path().join("out");
    let report =
        distill_task(&task_settings(), &teacher, &student(place.path()), &data, &out, &Context::default())
            .unwrap();
    assert!(report.dev.values["pearson"] > 0.9, "{report:?}");
}

/// General distillation of a fresh teacher on toy sentences.
fn run_general(settings: &GeneralSettings, place: &Path, context: &Context) -> Result<GeneralReport> {
    let teacher = toy::model(&place.join("teacher"), &toy::config(4, 32), &Head::None);
    let windows = encode(&teacher.text, &toy::sentences(200, 3), 16)?;
    let corpus = EncodedCorpus { windows: &windows, texts: None, sources: &[] };
    distill_general(settings, &teacher, &student(place), &corpus, place.join("out"), context)
}

#[test]
fn the_general_stage_lowers_every_loss() {
    let place = tempfile::tempdir().unwrap();
    run_general(&general_settings(), place.path(), &Context::default()).unwrap();
    let out = place.path().join("out");
    assert_eq!(Checkpoint::load(&out).unwrap().head, Head::None);
    for part in ["embedding", "hidden", "attention"] {
        let (first, last) = ends(&out, "general", part);
        assert!(last < 0.8 * first, "{part}: {first} to {last}");
    }
}

#[test]
fn an_heir_starts_close_to_its_teacher() {
    let first_losses = |inherit, hidden| {
        let place = tempfile::tempdir().unwrap();
        let settings = GeneralSettings { inherit, max_train_tokens: Some(1), ..general_settings() };
        let teacher = toy::model(&place.path().join("teacher"), &toy::config(4, 32), &Head::None);
        let student = toy::model(&place.path().join("student"), &toy::config(4, hidden), &Head::None);
        let windows = encode(&teacher.text, &toy::sentences(200, 3), 16).unwrap();
        let corpus = EncodedCorpus { windows: &windows, texts: None, sources: &[] };
        let out = place.path().join("out");
        distill_general(&settings, &teacher, &student, &corpus, &out, &Context::default()).unwrap();
        ["embedding", "hidden", "attention"].map(|part| ends(&out, "general", part).0)
    };
    // An heir of all layers in full width is the teacher, up to the dropout in training and the ridge.
    let (whole, narrow, stranger) = (first_losses(true, 32), first_losses(true, 24), first_losses(false, 24));
    for ((whole, narrow), stranger) in whole.iter().zip(&narrow).zip(&stranger) {
        assert!(whole < narrow && *narrow < 0.7 * stranger, "{whole} {narrow} {stranger}");
    }
}

#[test]
fn an_heir_that_is_wider_than_its_teacher_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let teacher = toy::model(&place.path().join("teacher"), &toy::config(2, 16), &Head::None);
    let student = toy::model(&place.path().join("student"), &toy::config(2, 32), &Head::None);
    let windows = encode(&teacher.text, &toy::sentences(20, 3), 16).unwrap();
    let corpus = EncodedCorpus { windows: &windows, texts: None, sources: &[] };
    let settings = GeneralSettings { inherit: true, ..general_settings() };
    let error = distill_general(
        &settings,
        &teacher,
        &student,
        &corpus,
        place.path().join("out"),
        &Context::default(),
    )
    .unwrap_err();
    assert!(matches!(&error, Error::Usage(what) if what.contains("hidden size is 32")), "{error}");
}

#[test]
fn the_gradients_of_uneven_micro_batches_add_up_to_that_of_the_step() {
    let (student, teacher) = (toy::config(2, 16), toy::config(4, 32));
    let parameters = Parameters::new(&init_parameters(&student, &Head::None, 1).unwrap()).unwrap();
    let trained = Bert::trainable(&student, &parameters).unwrap();
    let frozen = Bert::frozen(&teacher, &init_parameters(&teacher, &Head::None, 2).unwrap()).unwrap();
    let transfer = Transfer::new(&TransferSettings::default(), &student, &teacher, 3).unwrap();
    let set = encode(&toy::text(), &toy::sentences(8, 1), 16).unwrap();
    // Sentences of different lengths: their shares of tokens and of pairs differ.
    assert!(set.lengths().unwrap().windows(2).any(|pair| pair[0] != pair[1]));
    let gradients = |parts: &[&[usize]]| {
        let step: Vec<Batch> = parts.iter().map(|part| set.collate(part, 0).unwrap()).collect();
        let mut sums: BTreeMap<String, Vec<f32>> = BTreeMap::new();
        let mut loss = 0.0;
        for batch in &step {
            let mode = Mode::Train { seed: 1, step: 0 };
            let student = trained.forward(batch, mode).unwrap();
            let micro = MicroBatch { batch, mode, step: &step };
            let seen =
                TeacherOutput::from_output(&frozen.forward(batch, Mode::Eval).unwrap(), &transfer.wanted());
            let losses = transfer.losses(&student, &seen, &micro, &Alignment::Pieces).unwrap();
            loss += losses.total.to_scalar::<f32>().unwrap();
            let new = losses.tape.backward(&losses.total).unwrap();
            let vars = parameters.iter().map(|(name, var)| (name.to_owned(), var.clone()));
            for (name, var) in vars.chain(transfer.projections()) {
                let Some(gradient) = new.get(&var) else { continue };
                let values = gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let sum = sums.entry(name).or_insert_with(|| vec![0.0; values.len()]);
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
        }
        (loss, sums)
    };
    let (whole_loss, whole) = gradients(&[&[0, 1, 2, 3, 4, 5, 6, 7]]);
    let (loss, parts) = gradients(&[&[0, 1, 2], &[3], &[4, 5, 6, 7]]);
    assert!((whole_loss - loss).abs() < 1e-5 * whole_loss, "{whole_loss} and {loss}");
    for (name, whole) in &whole {
        let largest = whole.iter().fold(0f32, |largest, g| largest.max(g.abs()));
        for (a, b) in whole.iter().zip(&parts[name]) {
            assert!((a - b).abs() <= 2e-5 * largest.max(1e-3), "{name}: {a} and {b}");
        }
    }
}

/// Loss and gradient norm of the first line of metrics under a learning rate at which nothing moves.
fn first_means(out: &Path) -> [f64; 2] {
    let line = toy::metrics(out).into_iter().find(|line| line["loss"].is_number()).unwrap();
    ["loss", "gradient_norm"].map(|name| line[name].as_f64().unwrap())
}

#[test]
fn micro_batches_change_nothing_but_rounding_in_any_stage() {
    let (train, dev) = (toy::sentences(16, 1), toy::sentences(8, 2));
    let data = TaskData { train: &train, dev: &dev, metrics: MetricSet::Accuracy };
    let means = |micro_batch| {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let labelled = Head::Classification { labels: toy::labels() };
        let teacher = toy::model(&at("teacher"), &toy::config(4, 32), &labelled);
        let (learning_rate, max_tokens, epochs) = (1e-9, 16, 1);
        let fine_tuning = FineTune {
            max_tokens,
            recipe: Recipe {
                epochs,
                batch_size: 8,
                micro_batch,
                learning_rate,
                ..FineTune::default().recipe
            },
            ..FineTune::default()
        };
        fine_tune(&fine_tuning, &teacher, &data, at("fine-tuned"), &Context::default()).unwrap();
        let defaults = TaskSettings::default();
        let stage = |stage| StageRecipe { epochs, batch_size: 8, micro_batch, learning_rate, ..stage };
        let settings = TaskSettings {
            intermediate: stage(defaults.intermediate.clone()),
            prediction: stage(defaults.prediction.clone()),
            max_tokens,
            allow_weak_teacher: true,
            ..defaults
        };
        for (name, left_out) in [("intermediate", false), ("prediction", true)] {
            let mut settings = settings.clone();
            let stage = if left_out { &mut settings.intermediate } else { &mut settings.prediction };
            stage.epochs = 0;
            distill_task(&settings, &teacher, &student(place.path()), &data, at(name), &Context::default())
                .unwrap();
        }
        let settings = GeneralSettings {
            recipe: Recipe { epochs: 1, micro_batch, learning_rate, ..general_settings().recipe },
            ..general_settings()
        };
        run_general(&settings, place.path(), &Context::default()).unwrap();
        ["fine-tuned", "intermediate", "prediction", "out"].map(|name| first_means(&at(name)))
    };
    for (whole, parts) in means(8).iter().flatten().zip(means(3).iter().flatten()) {
        assert!((whole - parts).abs() < 1e-5 * whole, "{whole} and {parts}");
    }
}

#[test]
fn a_token_limit_ends_the_general_stage() {
    let place = tempfile::tempdir().unwrap();
    let settings = GeneralSettings { max_train_tokens: Some(300), ..general_settings() };
    let report = run_general(&settings, place.path(), &Context::default()).unwrap();
    assert!((300..400).contains(&report.training.tokens), "{report:?}");
    assert!(!report.training.out_of_time);
}

#[test]
fn losses_can_be_left_out_one_by_one() {
    for (embedding_weight, hidden_weight, attention_weight) in
        [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
    {
        let place = tempfile::tempdir().unwrap();
        let transfer = TransferSettings {
            embedding_weight,
            hidden_weight,
            attention_weight,
            ..TransferSettings::default()
        };
        let settings = GeneralSettings { transfer, max_train_tokens: Some(200), ..general_settings() };
        run_general(&settings, place.path(), &Context::default()).unwrap();
    }
}

#[test]
fn the_reached_tensors_are_exactly_those_with_a_gradient() {
    let (student, teacher) = (toy::config(2, 16), toy::config(4, 32));
    let labelled = Head::Classification { labels: toy::labels() };
    let parameters = Parameters::new(&init_parameters(&student, &labelled, 1).unwrap()).unwrap();
    let trained = Bert::trainable(&student, &parameters).unwrap();
    let frozen = Bert::frozen(&teacher, &init_parameters(&teacher, &Head::None, 2).unwrap()).unwrap();
    let batch = encode(&toy::text(), &toy::sentences(4, 1), 16).unwrap().collate(&[0, 1, 2, 3], 0).unwrap();
    for (layer_weights, embedding_weight, hidden_weight, attention_weight) in [
        (vec![1.0, 1.0, 1.0], 1.0, 1.0, 1.0),
        (vec![1.0, 1.0, 1.0], 0.0, 0.0, 1.0),
        (vec![1.0, 1.0, 1.0], 1.0, 0.0, 0.0),
        (vec![0.0, 1.0, 0.0], 1.0, 1.0, 0.0),
        (vec![0.0, 1.0, 0.0], 1.0, 0.0, 1.0),
    ] {
        let settings = TransferSettings {
            layer_weights,
            embedding_weight,
            hidden_weight,
            attention_weight,
            ..TransferSettings::default()
        };
        let transfer = Transfer::new(&settings, &student, &teacher, 3).unwrap();
        let outputs =
            (trained.forward(&batch, Mode::Eval).unwrap(), frozen.forward(&batch, Mode::Eval).unwrap());
        let micro = MicroBatch { batch: &batch, mode: Mode::Eval, step: std::slice::from_ref(&batch) };
        let seen = TeacherOutput::from_output(&outputs.1, &transfer.wanted());
        let losses = transfer.losses(&outputs.0, &seen, &micro, &Alignment::Pieces).unwrap();
        let gradients = outputs.0.tape.backward(&losses.total).unwrap();
        for (name, var) in parameters.iter() {
            assert_eq!(transfer.reaches(name), gradients.get(var).is_some(), "{name} under {settings:?}");
        }
        for (name, var) in transfer.projections() {
            assert!(gradients.get(&var).is_some(), "{name} under {settings:?}");
        }
    }
}

#[test]
fn one_seed_gives_one_student_on_any_number_of_threads() {
    let weights = |threads: usize| {
        let place = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            run_general(
                &GeneralSettings {
                    recipe: Recipe { epochs: 1, ..general_settings().recipe },
                    ..general_settings()
                },
                place.path(),
                &Context::default(),
            )
        })
        .unwrap();
        toy::bits(&place.path().join("out"))
    };
    assert_eq!(weights(1), weights(2));
}

#[test]
fn a_pair_that_cannot_learn_is_refused_with_a_reason() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    let labelled = Head::Classification { labels: toy::labels() };
    let with_head = toy::model(&path.join("teacher"), &toy::config(4, 32), &labelled);
    let bare = toy::model(&path.join("bare"), &toy::config(4, 32), &Head::None);
    let student = student(path);
    let data = toy::sentences(8, 1);
    let out = path.join("out");
    let refuse = |settings: &TaskSettings,
                  teacher: &Checkpoint,
                  student: &Checkpoint,
                  data: &Dataset,
                  expected: &str| {
        let data = TaskData { train: data, dev: data, metrics: MetricSet::Accuracy };
        let error = distill_task(settings, teacher, student, &data, &out, &Context::default()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!out.exists() && !toy::run_folder(&out).exists());
    };
    let settings = task_settings();

    refuse(&settings, &bare, &student, &data, "fine-tune the teacher on the task first");
    refuse(&settings, &with_head, &student, &toy::scored(8, 1), "needs a teacher with a regression head");
    let mut swapped = data.clone();
    swapped.labels.reverse();
    refuse(
        &settings,
        &with_head,
        &student,
        &swapped,
        "the teacher answers with negative, positive, but the data have positive, negative",
    );

    let mut narrow = toy::config(2, 16);
    narrow.num_attention_heads = 4;
    let four_heads = toy::model(&path.join("four"), &narrow, &Head::None);
    refuse(&settings, &with_head, &four_heads, &data, "`init --heads 2`");
    let three = toy::model(&path.join("three"), &toy::config(3, 16), &Head::None);
    refuse(&settings, &with_head, &three, &data, "no multiple");

    let transfer = |transfer| TaskSettings { transfer, ..settings.clone() };
    let weights = TransferSettings { layer_weights: vec![1.0; 2], ..TransferSettings::default() };
    refuse(&transfer(weights), &with_head, &student, &data, "expected 3 layer weights");
    let negative = TransferSettings { hidden_weight: -1.0, ..TransferSettings::default() };
    refuse(&transfer(negative), &with_head, &student, &data, "loss weight -1");
    let nothing = TransferSettings { layer_weights: vec![0.0; 3], ..TransferSettings::default() };
    refuse(&transfer(nothing), &with_head, &student, &data, "nothing to learn from");

    let mut none = settings.clone();
    (none.intermediate.epochs, none.prediction.epochs) = (0, 0);
    refuse(&none, &with_head, &student, &data, "nothing to do");
    refuse(
        &TaskSettings { temperature: 0.0, ..settings.clone() },
        &with_head,
        &student,
        &data,
        "temperature 0",
    );
}

#[test]
fn a_teacher_near_chance_is_refused_unless_allowed() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let refusal = |teacher: &Checkpoint, train: &Dataset, dev: &Dataset, metrics| {
        let data = TaskData { train, dev, metrics };
        let student = student(place.path());
        let error =
            distill_task(&task_settings(), teacher, &student, &data, &out, &Context::default()).unwrap_err();
        let Error::Input(what) = error else { panic!("{error}") };
        assert!(what.contains("allow a weak teacher") && !out.exists(), "{what}");
        what
    };
    let (mut train, mut dev) = (toy::sentences(200, 1), toy::sentences(60, 2));

    // One class of two thirds, and a head that was never trained.
    let labelled = Head::Classification { labels: toy::labels() };
    let fresh = toy::model(&place.path().join("untrained"), &toy::config(4, 32), &labelled);
    for (at, example) in dev.examples.iter_mut().enumerate() {
        example.target = Target::Class(u32::from(at % 3 > 0));
    }
    let what = refusal(&fresh, &train, &dev, MetricSet::Accuracy);
    assert!(what.contains("60 examples") && what.contains("always the same gives 0.6667"), "{what}");

    let data = TaskData { train: &train, dev: &dev, metrics: MetricSet::Accuracy };
    let mut allowed = TaskSettings { allow_weak_teacher: true, ..task_settings() };
    allowed.intermediate.epochs = 0;
    allowed.prediction.epochs = 1;
    distill_task(&allowed, &fresh, &student(place.path()), &data, &out, &Context::default()).unwrap();
    std::fs::remove_dir_all(&out).unwrap();

    // Any teacher that always answers the only class is right, which says nothing about a teacher.
    let mut alike = toy::sentences(60, 2);
    alike.examples.retain(|example| example.target == Target::Class(1));
    let what = refusal(&fresh, &train, &alike, MetricSet::Accuracy);
    assert!(what.contains("have the label \"positive\"") && what.contains("sorted by its labels"), "{what}");
    let data = TaskData { train: &train, dev: &alike, metrics: MetricSet::Accuracy };
    let said = toy::RecordedLines::default();
    distill_task(&allowed, &fresh, &student(place.path()), &data, &out, &said.context()).unwrap();
    assert!(said.lines().contains("warning: all "), "{}", said.lines());
    std::fs::remove_dir_all(&out).unwrap();

    let regression = toy::model(&place.path().join("scores"), &toy::config(4, 32), &Head::Regression);
    let mut scored = toy::scored(60, 2);
    for (at, example) in scored.examples.iter_mut().enumerate() {
        example.target = Target::Score((at as f32 * 0.7).sin());
    }
    refusal(&regression, &toy::scored(20, 1), &scored, MetricSet::PearsonAndSpearman);

    // A good teacher whose labels are in another order than the data's.
    let dev = toy::sentences(60, 2);
    let teacher = teacher(place.path(), &train, &dev, MetricSet::Accuracy);
    let mut flipped = dev.clone();
    for example in train.examples.iter_mut().chain(&mut flipped.examples) {
        let Target::Class(class) = example.target else { unreachable!() };
        example.target = Target::Class(1 - class);
    }
    let what = refusal(&teacher, &train, &flipped, MetricSet::Accuracy);
    assert!(what.contains("another order") && what.contains("\"negative\" for \"positive\""), "{what}");
}

#[test]
fn a_teacher_that_only_counts_its_labels_teaches_those_of_the_data() {
    let place = tempfile::tempdir().unwrap();
    let counted = Head::Classification { labels: ["LABEL_0", "LABEL_1"].map(String::from).into() };
    let teacher = toy::model(&place.path().join("counts"), &toy::config(4, 32), &counted);
    let (train, dev) = (toy::sentences(16, 1), toy::sentences(16, 2));
    let data = TaskData { train: &train, dev: &dev, metrics: MetricSet::Accuracy };
    let mut settings = TaskSettings { allow_weak_teacher: true, ..task_settings() };
    (settings.intermediate.epochs, settings.prediction.epochs) = (0, 1);
    let out = place.path().join("out");
    distill_task(&settings, &teacher, &student(place.path()), &data, &out, &Context::default()).unwrap();
    assert_eq!(Checkpoint::load(&out).unwrap().head.labels(), toy::labels());
}

#[test]
fn another_vocabulary_is_refused_piece_by_piece() {
    let place = tempfile::tempdir().unwrap();
    let mut settings = general_settings();
    settings.transfer.align = Some(Align::Pieces);
    let teacher = toy::model(&place.path().join("teacher"), &toy::config(4, 32), &Head::None);
    let mut student = student(place.path());
    let mut pieces = student.text.pieces();
    pieces.swap(6, 7);
    let windows = EncodedSet::from_iter([teacher.text.encode("the film", None, 16).unwrap()]);
    let corpus = EncodedCorpus { windows: &windows, texts: None, sources: &[] };
    for (pieces, lowercase, expected) in [
        (pieces.clone(), true, "piece 6 is"),
        (pieces[..pieces.len() - 1].to_vec(), true, "pieces and the student's"),
        (pieces, false, "keeps upper case"),
    ] {
        student.text = tinybert_model::TextEncoder::from_pieces(pieces, lowercase).unwrap();
        let out = place.path().join("out");
        let error =
            distill_general(&settings, &teacher, &student, &corpus, &out, &Context::default()).unwrap_err();
        assert!(matches!(&error, Error::Input(what) if what.contains(expected)), "{error}");
    }
}

#[test]
fn a_stage_can_be_left_out() {
    let place = tempfile::tempdir().unwrap();
    let labelled = Head::Classification { labels: toy::labels() };
    let teacher = toy::model(&place.path().join("teacher"), &toy::config(4, 32), &labelled);
    let data = toy::sentences(16, 1);
    let data = TaskData { train: &data, dev: &data, metrics: MetricSet::Accuracy };
    for (intermediate, prediction) in [(1, 0), (0, 1)] {
        let mut settings = task_settings();
        (settings.intermediate.epochs, settings.prediction.epochs) = (intermediate, prediction);
        settings.allow_weak_teacher = true;
        let out = place.path().join(format!("out{intermediate}"));
        let report =
            distill_task(&settings, &teacher, &student(place.path()), &data, &out, &Context::default())
                .unwrap();
        let ran = (report.intermediate.map_or(0, |s| s.steps), report.prediction.map_or(0, |s| s.steps));
        assert_eq!(ran, (2 * intermediate, 2 * prediction));
    }
}

#[test]
fn answers_alone_are_learned_whatever_the_layers() {
    let place = tempfile::tempdir().unwrap();
    let labelled = Head::Classification { labels: toy::labels() };
    let teacher = toy::model(&place.path().join("teacher"), &toy::config(4, 32), &labelled);
    // No layer map fits three layers of four, and no attention head has one of its own to learn from.
    let sizes = BertConfig { num_attention_heads: 4, ..toy::config(3, 16) };
    let student = toy::model(&place.path().join("student"), &sizes, &Head::None);
    let data = toy::sentences(16, 1);
    let data = TaskData { train: &data, dev: &data, metrics: MetricSet::Accuracy };
    let mut settings = TaskSettings { allow_weak_teacher: true, ..task_settings() };
    settings.intermediate.epochs = 0;
    distill_task(&settings, &teacher, &student, &data, place.path().join("out"), &Context::default())
        .unwrap();
}
