#include "bench/layer_run.h"

#include <algorithm>
#include <variant>

#include <fmt/format.h>

namespace quarry::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kFillRows = 512;

// Tokens that stand for a question, of methods that retrieve by one: near the start, where such
// prompts have it.
constexpr TokenRange kQuestion = {64, 80};

// What a method knows when it decodes depends on what it attended before.
bool LearnsByAttending(const AttentionConfig& config) {
  return PhasesOf(config) == PhaseSupport::kBoth || std::holds_alternative<H2oConfig>(config) ||
         std::holds_alternative<TovaConfig>(config);
}

// A text as far as it was read.
struct Past {
  KvStore kv;
  std::unique_ptr<MethodState> state;
};

class LayerRunner {
 public:
  LayerRunner(const AttentionConfig& config, const LayerData& data, const LayerTask& task,
              ExecContext& ctx)
      : data_(data),
        task_(task),
        ctx_(ctx),
        method_(MakeMethod(config)),
        attends_(LearnsByAttending(config)) {
    const auto angles =
        static_cast<size_t>(std::max(task.calls * task.rows, kFillRows) * data.rope.pairs());
    cos_.resize(angles);
    sin_.resize(angles);
  }

  const TimedMethod& method() const { return method_; }
  Past Empty() const {
    return {KvStore(MakeKvLayout(data_.shape, task_.kv_dtype, method_.needs().planes)),
            method_.NewState(data_.shape, task_.kv_dtype, 0)};
  }
  static Past Fork(const Past& past) { return {past.kv.Fork(), past.state->Clone()}; }

  // The next tokens up to `end`, without attending where the method learns nothing by it.
  Status Read(TokenPos end, Past& past, const BenchControl& control, const BenchProgress& about) {
    out_.resize(static_cast<size_t>(kFillRows * data_.q_width()));
    const auto begin = Clock::now();
    while (past.kv.size() < end && !control.stopped()) {
      const int64_t n = std::min(kFillRows, end - past.kv.size());
      if (const Status s = past.kv.Reserve(n); !s.ok()) return s;
      if (attends_) {
        Attend(Phase::kPrefill, n, out_.data(), past);
      } else {
        Follow(n, past);
      }
      BenchProgress p = about;
      p.done = past.kv.size();
      p.total = end;
      p.unit = "tokens read";
      p.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
      control.Tell(p);
    }
    return OkStatus();
  }

  // Of the tokens [t, t + n), unless they are there. A model computes them once for all its layers.
  void PrepareAngles(TokenPos t, int64_t n) {
    if (t >= angles_.begin && t + n <= angles_.end) return;
    data_.rope.Angles(t, n, cos_.data(), sin_.data());
    angles_ = {t, t + n};
  }

  // The timed calls. REQUIRES: room for them is reserved, their angles are prepared.
  PairCounts Calls(float* out, Past& past) {
    PairCounts pairs;
    for (int64_t i = 0; i < task_.calls; ++i) {
      const PairCounts p =
          Attend(task_.phase, task_.rows, out + i * task_.rows * data_.q_width(), past);
      pairs.attended += p.attended;
      pairs.causal += p.causal;
    }
    return pairs;
  }

 private:
  const float* Row(const std::vector<float>& x, int64_t width, TokenPos t) const {
    return x.data() + t * width;
  }

  int64_t AnglesAt(TokenPos t) const { return (t - angles_.begin) * data_.rope.pairs(); }

  // Decoding comes after a prompt, prefill is its end.
  TokenPos PromptEnd() const {
    return task_.phase == Phase::kDecode ? data_.tokens - task_.calls * task_.rows : data_.tokens;
  }

  PairCounts Attend(Phase phase, int64_t n, float* out, Past& past) {
    const TokenPos t = past.kv.size();
    PrepareAngles(t, n);
    const LayerCall call = {.layer = 0,
                            .phase = phase,
                            .begin = t,
                            .n = static_cast<int>(n),
                            .shape = &data_.shape,
                            .kv_dtype = task_.kv_dtype,
                            .rope = &data_.rope,
                            .cos = cos_.data() + AnglesAt(t),
                            .sin = sin_.data() + AnglesAt(t),
                            .q = Row(data_.q, data_.q_width(), t),
                            .k = Row(data_.k, data_.kv_width(), t),
                            .v = Row(data_.v, data_.kv_width(), t),
                            .q_stride = data_.q_width(),
                            .kv_stride = data_.kv_width(),
                            .out = out,
                            .out_stride = data_.q_width(),
                            .hints = {.question = kQuestion, .prompt_end = PromptEnd()},
                            .coverage = nullptr};
    const PairCounts pairs = AttendLayer(method_, *past.state, call, past.kv, work_, ctx_);
    past.kv.Advance(n);
    past.kv.Trim();
    return pairs;
  }

  void Follow(int64_t n, Past& past) {
    const TokenPos t = past.kv.size();
    PrepareAngles(t, n);
    AppendRows(past.kv, 0, data_.shape, task_.kv_dtype, data_.rope,
               {.first = t,
                .n = n,
                .keys = Row(data_.k, data_.kv_width(), t),
                .values = Row(data_.v, data_.kv_width(), t),
                .stride = data_.kv_width(),
                .cos = cos_.data() + AnglesAt(t),
                .sin = sin_.data() + AnglesAt(t)},
               ctx_);
    PlanInput in;
    in.call_begin = in.first = t;
    in.call_end = t + n;
    in.n_rows = static_cast<int>(n);
    in.q = Row(data_.q, data_.q_width(), t);
    in.q_stride = data_.q_width();
    in.shape = &data_.shape;
    in.kv_dtype = task_.kv_dtype;
    in.kv = &past.kv;
    in.rope = &data_.rope;
    in.cos = cos_.data() + AnglesAt(t);
    in.sin = sin_.data() + AnglesAt(t);
    in.hints.prompt_end = PromptEnd();
    method_.Follow(in, *past.state, ctx_);
    past.kv.Advance(n);
    past.kv.Trim();
  }

  const LayerData& data_;
  const LayerTask task_;
  ExecContext& ctx_;
  TimedMethod method_;
  bool attends_;
  std::vector<float> cos_, sin_;  // of the tokens angles_
  TokenRange angles_;
  std::vector<float> out_;
  LayerWork work_;
};

}  // namespace

Result<LayerResult> RunLayer(const AttentionConfig& config, const LayerData& data,
                             const LayerTask& task, double budget_s, ExecContext& ctx,
                             const BenchControl& control) {
  LayerRunner runner(config, data, task, ctx);
  const std::vector<std::string> reasons = runner.method().Unsupported(data.shape);
  if (!reasons.empty()) {
    return Unsupported(fmt::format("{}: {}", runner.method().name(), reasons[0]));
  }
  const int64_t timed = task.calls * task.rows;
  Past past = runner.Empty();
  const BenchProgress about = {.what = std::string(runner.method().name())};
  if (const Status s = runner.Read(data.tokens - timed, past, control, about); !s.ok()) return s;
  LayerResult result;
  if (control.stopped()) return result;
  runner.PrepareAngles(past.kv.size(), timed);

  result.outputs.resize(static_cast<size_t>(timed * data.q_width()));
  struct Run {
    double total_s;
    double plan_s;
  };
  std::vector<Run> runs;
  Status status;
  result.total = TimeWithin(budget_s, control.cancel, [&] {
    Past fork = LayerRunner::Fork(past);
    if (status.ok()) status = fork.kv.Reserve(timed);
    if (!status.ok()) return budget_s;
    runner.method().TakePlanSeconds();
    const auto begin = Clock::now();
    result.pairs = runner.Calls(result.outputs.data(), fork);
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    runs.push_back({seconds, runner.method().TakePlanSeconds()});
    return seconds;
  });
  if (!status.ok()) return status;
  // Of the very run whose time stands for all, so that the two go together.
  const auto median = std::ranges::find(runs, result.total.median_s, &Run::total_s);
  const auto calls = static_cast<double>(task.calls);
  result.plan_s = median->plan_s / calls;
  result.total.median_s /= calls;
  result.total.min_s /= calls;
  result.total.max_s /= calls;
  return result;
}

}  // namespace quarry::bench
