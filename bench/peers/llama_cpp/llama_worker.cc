// llama.cpp behind the commands of worker_protocol.h, through its C API.
//   GGML_DIR=FOLDER_OF_LIBRARIES llama_worker MODEL THREADS BATCH CONTEXT KV_TYPE
#include <cstdlib>
#include <cstring>

#include "llama.h"
#include "worker_protocol.h"

namespace {

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "llama_worker: %s\n", what);
  std::exit(1);
}

class LlamaCpp {
 public:
  LlamaCpp(llama_model* model, int threads, int batch, int context, ggml_type kv)
      : batch_size_(batch), batch_(llama_batch_init(batch, 0, 1)) {
    llama_context_params p = llama_context_default_params();
    p.n_ctx = static_cast<uint32_t>(context);
    p.n_batch = p.n_ubatch = static_cast<uint32_t>(batch);
    p.n_threads = p.n_threads_batch = threads;
    p.type_k = p.type_v = kv;
    p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
    context_ = llama_init_from_model(model, p);
    if (context_ == nullptr) Fail("no context of this size and type");
    const int32_t vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
    text_ = peer::Text(static_cast<size_t>(context), vocab);
  }

  void Read(int n) {
    for (int done = 0; done < n; done += batch_size_) Batch(std::min(batch_size_, n - done));
  }
  void Batch(int n) {
    batch_.n_tokens = n;
    for (int i = 0; i < n; ++i) {
      batch_.token[i] = text_[static_cast<size_t>(past_ + i)];
      batch_.pos[i] = past_ + i;
      batch_.n_seq_id[i] = 1;
      batch_.seq_id[i][0] = 0;
      batch_.logits[i] = i == n - 1;
    }
    if (llama_decode(context_, batch_) != 0) Fail("llama_decode failed");
    llama_synchronize(context_);
    past_ += n;
  }
  void Mark() { mark_ = past_; }
  void Rewind() {
    llama_memory_seq_rm(llama_get_memory(context_), 0, mark_, -1);
    past_ = mark_;
  }
  double Density() const { return 1; }

 private:
  int batch_size_;
  llama_batch batch_;
  llama_context* context_ = nullptr;
  std::vector<int32_t> text_;
  int past_ = 0, mark_ = 0;
};

ggml_type KvType(const char* name) {
  if (std::strcmp(name, "f16") == 0) return GGML_TYPE_F16;
  if (std::strcmp(name, "bf16") == 0) return GGML_TYPE_BF16;
  if (std::strcmp(name, "int8") == 0) return GGML_TYPE_Q8_0;
  Fail("the KV type must be f16, bf16 or int8");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) Fail("usage: llama_worker MODEL THREADS BATCH CONTEXT KV_TYPE");
  llama_log_set(
      [](ggml_log_level level, const char* text, void*) {
        if (level == GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
      },
      nullptr);
  const char* libraries = std::getenv("GGML_DIR");
  if (libraries == nullptr) Fail("GGML_DIR must name the folder of ggml's libraries");
  ggml_backend_load_all_from_path(libraries);
  llama_backend_init();
  llama_model_params params = llama_model_default_params();
  params.n_gpu_layers = 0;
  llama_model* model = nullptr;
  const double load = peer::Seconds([&] { model = llama_model_load_from_file(argv[1], params); });
  if (model == nullptr) Fail("the model does not load");
  LlamaCpp engine(model, std::atoi(argv[2]), std::atoi(argv[3]), std::atoi(argv[4]),
                  KvType(argv[5]));
  engine.Mark();
  engine.Batch(128);  // touches everything once
  engine.Rewind();
  std::printf("{\"name\": \"llama.cpp\", \"load\": %.4f, \"system\": \"%s\"}\n", load,
              llama_print_system_info());
  std::fflush(stdout);
  return peer::Serve(engine);
}
