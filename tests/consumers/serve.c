/* Opens SavedModels through TensorFlow's C API, as a server does, and prints what they answer.
 *
 *   serve EXAMPLES DIRECTORY TAGS SIGNATURE STEPS [DIRECTORY TAGS SIGNATURE STEPS ...]
 *
 * EXAMPLES holds serialized tf.Examples, each after its length as an unsigned int. The one input of
 * SIGNATURE is fed with all of them. STEPS > 0: the training op of the metagraph runs that often,
 * before the outputs are asked for. One line is printed for each output:
 *
 *   <run> <name> <dtype> <rank> <dimensions...> <values...>
 *
 * Strings are printed in hexadecimal, "-" being the empty one. Nothing of the exporting package is
 * used here, nor protocol buffers: the few fields that are needed are read from the wire format.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

#define MAX_OUTPUTS 64

/* Numbers of fields in meta_graph.proto. */
enum { META_COLLECTION = 4, META_SIGNATURE = 5 };
enum { MAP_KEY = 1, MAP_VALUE = 2 };
enum { SIGNATURE_INPUTS = 1, SIGNATURE_OUTPUTS = 2 };
enum { TENSOR_NAME = 1, COLLECTION_NODES = 1, NODES_VALUE = 1 };

typedef struct {
  const uint8_t* at;
  const uint8_t* end;
} Bytes;

typedef struct {
  Bytes key;
  Bytes name; /* "<operation>:<index>" */
} Named;

static void fail(const char* what, const char* why) {
  fprintf(stderr, "serve: %s: %s\n", what, why);
  exit(1);
}

static void check(TF_Status* status, const char* what) {
  if (TF_GetCode(status) != TF_OK) fail(what, TF_Message(status));
}

static uint64_t read_varint(Bytes* bytes) {
  uint64_t value = 0;
  for (int shift = 0; bytes->at < bytes->end && shift < 64; shift += 7) {
    uint8_t byte = *bytes->at++;
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (!(byte & 0x80)) return value;
  }
  fail("metagraph", "a number is cut off");
  return 0;
}

/* Goes to the next field that has a length, and returns its number; 0 at the end. */
static int next_field(Bytes* message, Bytes* content) {
  while (message->at < message->end) {
    uint64_t tag = read_varint(message);
    uint64_t skip = 0;
    switch (tag & 7) {
      case 0: read_varint(message); continue;
      case 1: skip = 8; break;
      case 2: skip = read_varint(message); break;
      case 5: skip = 4; break;
      default: fail("metagraph", "a field of unknown kind");
    }
    if (skip > (uint64_t)(message->end - message->at)) fail("metagraph", "a field is cut off");
    content->at = message->at;
    content->end = message->at += skip;
    if ((tag & 7) == 2) return (int)(tag >> 3);
  }
  return 0;
}

static Bytes find_field(Bytes message, int wanted) {
  Bytes content, none = {NULL, NULL};
  for (int number; (number = next_field(&message, &content));) {
    if (number == wanted) return content;
  }
  return none;
}

static int equals(Bytes bytes, const char* text) {
  size_t size = (size_t)(bytes.end - bytes.at);
  return size == strlen(text) && memcmp(bytes.at, text, size) == 0;
}

/* Returns the value of `key` in a map that is field `map` of a message. */
static Bytes find_entry(Bytes message, int map, const char* key) {
  Bytes entry, none = {NULL, NULL};
  for (int number; (number = next_field(&message, &entry));) {
    if (number == map && equals(find_field(entry, MAP_KEY), key)) {
      return find_field(entry, MAP_VALUE);
    }
  }
  return none;
}

static int list_tensors(Bytes signature, int map, Named* found) {
  Bytes entry;
  int count = 0;
  for (int number; (number = next_field(&signature, &entry));) {
    if (number != map) continue;
    if (count == MAX_OUTPUTS) fail("signature", "too many tensors");
    found[count].key = find_field(entry, MAP_KEY);
    found[count].name = find_field(find_field(entry, MAP_VALUE), TENSOR_NAME);
    if (!found[count].name.at) fail("signature", "a tensor that is not dense");
    count++;
  }
  return count;
}

static TF_Output find_output(TF_Graph* graph, Bytes name) {
  char text[1024];
  snprintf(text, sizeof text, "%.*s", (int)(name.end - name.at), (const char*)name.at);
  char* colon = strrchr(text, ':');
  TF_Output output = {NULL, 0};
  if (colon) {
    output.index = atoi(colon + 1);
    *colon = 0;
  }
  output.oper = TF_GraphOperationByName(graph, text);
  if (!output.oper) fail(text, "is not in the graph");
  return output;
}

static void free_strings(void* data, size_t size, void* unused) {
  TF_TString* strings = data;
  for (size_t i = 0; i < size / sizeof *strings; i++) TF_StringDealloc(&strings[i]);
  free(data);
}

static TF_Tensor* read_examples(const char* path) {
  FILE* file = fopen(path, "rb");
  if (!file) fail(path, "cannot be opened");
  TF_TString* strings = NULL;
  int64_t count = 0;
  for (unsigned size; fread(&size, sizeof size, 1, file) == 1; count++) {
    char* buffer = malloc(size + 1);
    if (fread(buffer, 1, size, file) != size) fail(path, "is cut off");
    strings = realloc(strings, (size_t)(count + 1) * sizeof *strings);
    TF_StringInit(&strings[count]);
    TF_StringCopy(&strings[count], buffer, size);
    free(buffer);
  }
  fclose(file);
  return TF_NewTensor(TF_STRING, &count, 1, strings, (size_t)count * sizeof *strings, free_strings,
                      NULL);
}

static void print_value(TF_DataType dtype, const void* data, int64_t i) {
  switch (dtype) {
    case TF_FLOAT: printf(" %.9g", ((const float*)data)[i]); return;
    case TF_DOUBLE: printf(" %.17g", ((const double*)data)[i]); return;
    case TF_INT32: printf(" %d", ((const int32_t*)data)[i]); return;
    case TF_INT64: printf(" %lld", (long long)((const int64_t*)data)[i]); return;
    case TF_BOOL: printf(" %d", ((const uint8_t*)data)[i]); return;
    case TF_STRING: break;
    default: fail("output", "of a type that is not printed");
  }
  const TF_TString* string = &((const TF_TString*)data)[i];
  const uint8_t* bytes = (const uint8_t*)TF_StringGetDataPointer(string);
  size_t size = TF_StringGetSize(string);
  printf(size ? " " : " -");
  for (size_t j = 0; j < size; j++) printf("%02x", bytes[j]);
}

static void print_tensor(int run, Bytes key, TF_Tensor* tensor) {
  int rank = TF_NumDims(tensor);
  printf("%d %.*s %d %d", run, (int)(key.end - key.at), (const char*)key.at,
         (int)TF_TensorType(tensor), rank);
  for (int i = 0; i < rank; i++) printf(" %lld", (long long)TF_Dim(tensor, i));
  for (int64_t i = 0; i < TF_TensorElementCount(tensor); i++) {
    print_value(TF_TensorType(tensor), TF_TensorData(tensor), i);
  }
  printf("\n");
}

static void train(TF_Graph* graph, TF_Session* session, Bytes meta_graph, TF_Output input,
                  TF_Tensor* examples, int steps, TF_Status* status) {
  Bytes collection = find_entry(meta_graph, META_COLLECTION, "saved_model_train_op");
  Bytes name = find_field(find_field(collection, COLLECTION_NODES), NODES_VALUE);
  if (!name.at) fail("metagraph", "has no training op");
  const TF_Operation* op = find_output(graph, name).oper;
  for (int i = 0; i < steps; i++) {
    TF_SessionRun(session, NULL, &input, &examples, 1, NULL, NULL, 0, &op, 1, NULL, status);
    check(status, "training");
  }
}

static void serve(int run, char** arguments, TF_Tensor* examples) {
  const char* tags[8];
  int tag_count = 0;
  for (char* tag = strtok(arguments[1], ","); tag && tag_count < 8; tag = strtok(NULL, ",")) {
    tags[tag_count++] = tag;
  }
  TF_Status* status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  TF_Buffer* meta = TF_NewBuffer();
  TF_Session* session = TF_LoadSessionFromSavedModel(options, NULL, arguments[0], tags, tag_count,
                                                     graph, meta, status);
  check(status, arguments[0]);
  Bytes meta_graph = {meta->data, (const uint8_t*)meta->data + meta->length};
  Bytes signature = find_entry(meta_graph, META_SIGNATURE, arguments[2]);
  if (!signature.at) fail(arguments[2], "is not a signature of the metagraph");

  Named inputs[MAX_OUTPUTS], outputs[MAX_OUTPUTS];
  if (list_tensors(signature, SIGNATURE_INPUTS, inputs) != 1) fail(arguments[2], "inputs != 1");
  int count = list_tensors(signature, SIGNATURE_OUTPUTS, outputs);
  TF_Output input = find_output(graph, inputs[0].name), fetches[MAX_OUTPUTS];
  TF_Tensor* values[MAX_OUTPUTS];
  for (int i = 0; i < count; i++) fetches[i] = find_output(graph, outputs[i].name);

  int steps = atoi(arguments[3]);
  if (steps) train(graph, session, meta_graph, input, examples, steps, status);
  TF_SessionRun(session, NULL, &input, &examples, 1, fetches, values, count, NULL, 0, NULL, status);
  check(status, arguments[2]);
  for (int i = 0; i < count; i++) {
    print_tensor(run, outputs[i].key, values[i]);
    TF_DeleteTensor(values[i]);
  }
  TF_DeleteSession(session, status);
  TF_DeleteBuffer(meta);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
}

int main(int count, char** arguments) {
  if (count < 6 || (count - 2) % 4) {
    fprintf(stderr, "usage: serve EXAMPLES DIRECTORY TAGS SIGNATURE STEPS [...]\n");
    return 2;
  }
  TF_Tensor* examples = read_examples(arguments[1]);
  for (int i = 2; i < count; i += 4) serve((i - 2) / 4, arguments + i, examples);
  TF_DeleteTensor(examples);
  return 0;
}
