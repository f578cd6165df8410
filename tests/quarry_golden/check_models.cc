// Tiny checkpoints with what a correct engine computes from them: `folder` holds one folder a case,
// or is one itself. A case is config.json, safetensors and reference/:
//   tokens_N.npy [T], logits_N.npy [T, vocab]       N = 0, 1, ...: one causal pass
//   hidden_0.npy [layers + 1, T, hidden]            the residual stream
//   final_hidden_0.npy [T, hidden]                  the final norm's output
//   greedy_1.npy [G]                                what follows tokens_1, ends of text ignored

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "kernels/dispatch.h"
#include "model/model.h"
#include "tests/quarry_golden/report.h"
#include "tests/support/model_runs.h"
#include "tests/support/npy.h"

namespace quarry::golden {
namespace {

namespace fs = std::filesystem;

// f32 throughout: the expected values are of float64, and float32 programs differ by 4e-5; logits
// go up to 17. With 16-bit weights, keys and values, the rms of the difference relative to that of
// the logits.
constexpr double kTolerance = 5e-4;
constexpr double kTolerance16 = 0.05;
constexpr int64_t kChunk = 29;

// Keeps what a forward pass shows.
class Recorder final : public Model::Observer {
 public:
  void OnState(int, std::span<const float> x) override {
    states.insert(states.end(), x.begin(), x.end());
  }
  void OnFinalNorm(int64_t, std::span<const float> x) override {
    final_norm.insert(final_norm.end(), x.begin(), x.end());
  }
  std::vector<float> states, final_norm;
};

class ModelCase {
 public:
  ModelCase(fs::path folder, Report& report) : folder_(std::move(folder)), report_(report) {}

  void Run() {
    const std::string name = folder_.filename().string();
    auto exact = Model::Load(folder_, DType::kF32);
    auto usual = Model::Load(folder_);
    if (!exact.ok() || !usual.ok()) {
      return report_.Error(name, (exact.ok() ? usual : exact).status().message());
    }
    model_ = *exact;
    kv_dtype_ = DType::kF32;
    for (int n = 0; fs::exists(File("tokens", n)); ++n) CheckLogits(n);
    if (fs::exists(File("hidden", 0))) CheckStates();
    if (fs::exists(File("greedy", 1))) CheckGreedy();
    const bool good = worst_.max_abs <= kTolerance && mismatches_ == 0 && sequences_ > 0;

    model_ = *usual;
    kv_dtype_ = DType::kF16;
    double ratio = 0;
    for (int n = 0; n < sequences_; ++n) ratio = std::max(ratio, RelativeRms(n));
    report_.Case(name, good && ratio <= kTolerance16,
                 fmt::format("{} sequences, max abs {:.1e} (states {:.1e}), {} of {} greedy tokens "
                             "differ; {} weights, f16 keys: rms {:.4f}",
                             sequences_, worst_.max_abs, states_.max_abs, mismatches_, greedy_,
                             (*usual)->weight_dtype() == DType::kBF16 ? "bf16" : "f32", ratio));
  }

 private:
  fs::path File(const char* what, int n) const {
    return folder_ / "reference" / fmt::format("{}_{}.npy", what, n);
  }
  size_t vocab() const { return static_cast<size_t>(model_->config().vocab_size); }

  // `total`: the length that the rotary embedding is chosen for.
  Sequence Start(int64_t total) const {
    return NewSequence(*model_, {.kv_dtype = kv_dtype_, .total_length = total});
  }

  std::vector<float> Forward(Sequence& sequence, std::span<const TokenId> tokens, bool all,
                             Model::Observer* observer = nullptr) {
    std::vector<float> logits((all ? tokens.size() : 1) * vocab());
    const Status s =
        model_->Forward(tokens, sequence, ctx_, logits, {.all_logits = all, .observer = observer});
    if (!s.ok()) throw std::runtime_error(s.message());
    return logits;
  }

  void Compare(std::span<const float> got, const NpyArray& want, Deviation& into) {
    if (got.size() != want.f32.size()) {
      throw std::runtime_error(fmt::format("{} numbers, not {}", want.f32.size(), got.size()));
    }
    for (size_t i = 0; i < got.size(); ++i) {
      into.Add(static_cast<double>(got[i]), static_cast<double>(want.f32[i]));
    }
  }

  // One pass, and one in chunks.
  void CheckLogits(int n) {
    const NpyArray tokens = ReadNpy(File("tokens", n)), want = ReadNpy(File("logits", n));
    Sequence whole = Start(tokens.size());
    Compare(Forward(whole, tokens.i32, true), want, worst_);
    Sequence chunked = Start(tokens.size());
    std::vector<float> got;
    for (int64_t at = 0; at < tokens.size(); at += kChunk) {
      const auto part = std::span(tokens.i32)
                            .subspan(static_cast<size_t>(at),
                                     static_cast<size_t>(std::min(kChunk, tokens.size() - at)));
      const std::vector<float> logits = Forward(chunked, part, true);
      got.insert(got.end(), logits.begin(), logits.end());
    }
    Compare(got, want, worst_);
    ++sequences_;
  }

  void CheckStates() {
    const NpyArray tokens = ReadNpy(File("tokens", 0));
    Sequence sequence = Start(tokens.size());
    Recorder recorder;
    Forward(sequence, tokens.i32, true, &recorder);
    Compare(recorder.states, ReadNpy(File("hidden", 0)), states_);
    if (fs::exists(File("final_hidden", 0))) {
      Compare(recorder.final_norm, ReadNpy(File("final_hidden", 0)), states_);
    }
    worst_.Merge(states_);
  }

  void CheckGreedy() {
    const NpyArray tokens = ReadNpy(File("tokens", 1)), want = ReadNpy(File("greedy", 1));
    Sequence sequence = Start(tokens.size() + want.size());
    std::vector<float> logits = Forward(sequence, tokens.i32, false);
    for (int32_t id : want.i32) {
      const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
      mismatches_ += best != id;
      ++greedy_;
      logits = Forward(sequence, std::span(&id, 1), false);
    }
  }

  // rms(difference) / rms(expected) over the logits of one sequence.
  double RelativeRms(int n) {
    const NpyArray tokens = ReadNpy(File("tokens", n)), want = ReadNpy(File("logits", n));
    Sequence sequence = Start(tokens.size());
    const std::vector<float> got = Forward(sequence, tokens.i32, true);
    double difference = 0, expected = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      const auto w = static_cast<double>(want.f32[i]);
      difference += (static_cast<double>(got[i]) - w) * (static_cast<double>(got[i]) - w);
      expected += w * w;
    }
    const double ratio = std::sqrt(difference / expected);
    return std::isnan(ratio) ? INFINITY : ratio;
  }

  fs::path folder_;
  Report& report_;
  ExecContext ctx_{**kernels::ChooseKernelsFromEnvironment(), 2};
  std::shared_ptr<const Model> model_;
  DType kv_dtype_ = DType::kF32;
  Deviation worst_, states_;
  int sequences_ = 0;
  int greedy_ = 0;
  int mismatches_ = 0;
};

}  // namespace

void CheckModels(const fs::path& folder, Report& report) {
  const auto is_case = [](const fs::path& path) {
    return fs::exists(path / "config.json") && fs::is_directory(path / "reference");
  };
  std::vector<fs::path> cases;
  if (is_case(folder)) cases.push_back(folder);
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (is_case(entry.path())) cases.push_back(entry.path());
  }
  std::sort(cases.begin(), cases.end());
  for (const fs::path& path : cases) {
    try {
      ModelCase(path, report).Run();
    } catch (const std::exception& e) {
      report.Error(path.filename().string(), e.what());
    }
  }
}

}  // namespace quarry::golden
