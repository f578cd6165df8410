// Quarry behind the commands of worker_protocol.h.
//   quarry_worker MODEL THREADS BATCH CONTEXT KV_TYPE METHOD [KEY=VALUE ...]
// METHOD is one or PREFILL+DECODE. chunk_size=N reads prompts in other pieces than BATCH.
// QUARRY_FAST=1 multiplies in bf16, as --fast does.
#include <cstdlib>
#include <optional>

#include "quarry/config.h"

#include "kernels/dispatch.h"
#include "model/model.h"
#include "ops/rope_frequencies.h"
#include "worker_protocol.h"

namespace {

using namespace quarry;

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "quarry_worker: %s\n", what.c_str());
  std::exit(1);
}
template <typename T>
T Need(Result<T> result) {
  if (!result.ok()) Fail(result.status().message());
  return std::move(*result);
}
void Need(const Status& status) {
  if (!status.ok()) Fail(status.message());
}

class Quarry {
 public:
  Quarry(std::shared_ptr<const Model> model, ExecContext& exec, Sequence sequence, int chunk,
         int context)
      : model_(std::move(model)),
        exec_(exec),
        sequence_(std::move(sequence)),
        chunk_(chunk),
        logits_(static_cast<size_t>(model_->config().vocab_size)),
        text_(peer::Text(static_cast<size_t>(context),
                         static_cast<int32_t>(model_->config().vocab_size))) {}

  void Read(int n) {
    for (int done = 0; done < n; done += chunk_) Batch(std::min(chunk_, n - done));
  }
  void Batch(int n) {
    const std::vector<TokenId> ids(text_.begin() + sequence_.size(),
                                   text_.begin() + sequence_.size() + n);
    Need(model_->Forward(ids, sequence_, exec_, logits_,
                         {.phase = n == 1 ? Phase::kDecode : Phase::kPrefill}));
  }
  void Mark() { mark_.emplace(sequence_.Fork()); }
  void Rewind() {
    sequence_ = std::move(*mark_);
    mark_.reset();
  }
  double Density() const { return sequence_.pairs().Density(); }

 private:
  std::shared_ptr<const Model> model_;
  ExecContext& exec_;
  Sequence sequence_;
  std::optional<Sequence> mark_;
  int chunk_;
  std::vector<float> logits_;
  std::vector<int32_t> text_;
};

DType KvType(const std::string& name) {
  if (name == "f16") return DType::kF16;
  if (name == "bf16") return DType::kBF16;
  if (name == "int8") return DType::kI8;
  Fail("the KV type must be f16, bf16 or int8, is " + name);
}

AttentionConfig ConfigOf(const std::string& method) { return Need(DefaultAttentionConfig(method)); }

PhaseMethods MethodsOf(const std::string& text) {
  const size_t plus = text.find('+');
  if (plus == std::string::npos) return PhaseMethods(ConfigOf(text));
  return {ConfigOf(text.substr(0, plus)), ConfigOf(text.substr(plus + 1))};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) {
    Fail("usage: quarry_worker MODEL THREADS BATCH CONTEXT KV_TYPE METHOD [KEY=VALUE ...]");
  }
  const int threads = std::atoi(argv[2]), context = std::atoi(argv[4]);
  std::vector<std::string> overrides = {std::string("chunk_size=") + argv[3]};
  overrides.insert(overrides.end(), argv + 7, argv + argc);
  RunConfig run = Need(DefaultRunConfig(MethodsOf(argv[6]), overrides));
  Need(LoadPatterns(run.attention));
  const kernels::KernelTable* kernels = Need(kernels::ChooseKernelsFromEnvironment());

  ExecContext exec(*kernels, threads, std::getenv("QUARRY_FAST") != nullptr);
  std::shared_ptr<const Model> model;
  const double load = peer::Seconds(
      [&] { model = Need(Model::Load(argv[1], std::nullopt, std::nullopt, &exec.threads())); });
  const auto methods =
      std::make_shared<const MethodSet>(run.attention, static_cast<int>(model->shape().layers));
  Sequence sequence(
      model->shape(), MakeRope(model->config().rope, model->shape().head_dim, context), methods,
      {.kv_dtype = KvType(argv[5]), .hints = {.question = {}, .prompt_end = context}});
  Quarry engine(std::move(model), exec, std::move(sequence), static_cast<int>(run.chunk_size),
                context);
  engine.Mark();
  engine.Batch(128);  // touches everything once
  engine.Rewind();
  std::printf("{\"name\": \"quarry %s\", \"load\": %.4f, \"system\": \"%s\"}\n", argv[6], load,
              std::string(kernels->isa).c_str());
  std::fflush(stdout);
  return peer::Serve(engine);
}
