"""Wide & deep of census-like rows, with feature columns and a parsing receiver."""

import numpy as np
import tensorflow as tf
from common import leave, path

JOBS = ["Sales", "Tech", "Farming", "Craft"]
ROWS = 64


def make_rows(count, seed):
    random = np.random.RandomState(seed)
    age = random.randint(17, 80, count).astype(np.float32)
    job = random.choice([*JOBS, "Other"], count).astype(object)
    place = random.choice(["US", "FR", "JP"], count).astype(object)
    label = ((age > 40) | (job == "Tech")).astype(np.int64)
    return {"age": age, "occupation": job, "country": place}, label


def build_columns():
    with open(path("jobs.txt"), "w") as f:
        f.write("\n".join(JOBS))
    age = tf.feature_column.numeric_column("age")
    job = tf.feature_column.categorical_column_with_vocabulary_file(
        "occupation", path("jobs.txt"), num_oov_buckets=1
    )
    country = tf.feature_column.categorical_column_with_hash_bucket("country", 10)
    buckets = tf.feature_column.bucketized_column(age, [25, 35, 45, 60])
    crossed = tf.feature_column.crossed_column([buckets, "occupation"], hash_bucket_size=50)
    wide = [job, country, buckets, crossed]
    deep = [
        age,
        tf.feature_column.indicator_column(job),
        tf.feature_column.embedding_column(country, dimension=4),
    ]
    return wide, deep


def make_input_fn(rows, labels, epochs):
    def input_fn():
        d = tf.data.Dataset.from_tensor_slices((rows, labels))
        return d.repeat(epochs).batch(16)

    return input_fn


def main(_):
    tf.io.gfile.makedirs(path("model"))
    wide, deep = build_columns()
    model = tf.estimator.DNNLinearCombinedClassifier(
        model_dir=path("model"),
        linear_feature_columns=wide,
        dnn_feature_columns=deep,
        dnn_hidden_units=[16, 8],
        config=tf.estimator.RunConfig(tf_random_seed=1),
    )
    model.train(make_input_fn(*make_rows(ROWS, 1), 4))
    rows, labels = make_rows(16, 2)
    print("RESULT", model.evaluate(make_input_fn(rows, labels, 1))["accuracy"])
    predicted = list(model.predict(make_input_fn(rows, labels, 1)))
    spec = tf.feature_column.make_parse_example_spec(wide + deep)
    export = model.export_saved_model(
        path("export"), tf.estimator.export.build_parsing_serving_input_receiver_fn(spec)
    )
    examples = []
    for i in range(16):
        example = tf.train.Example()
        example.features.feature["age"].float_list.value.append(rows["age"][i])
        for key in ("occupation", "country"):
            example.features.feature[key].bytes_list.value.append(rows[key][i].encode())
        examples.append(example.SerializeToString())
    tf.io.gfile.remove(path("jobs.txt"))
    leave(
        export,
        "predict",
        {"examples": np.array(examples, object)},
        probabilities=[p["probabilities"] for p in predicted],
        classes=np.array([p["classes"] for p in predicted]).astype("S"),
    )


if __name__ == "__main__":
    tf.compat.v1.app.run()
