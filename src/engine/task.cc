#include "engine/task.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/memory_info.h"
#include "ops/rope_frequencies.h"

namespace quarry {
namespace {

double Seconds(std::chrono::steady_clock::duration d) {
  return std::chrono::duration<double>(d).count();
}

// `what`: of what the numbers are, before an index.
Status CheckFinite(std::span<const float> x, std::string_view what) {
  const auto bad = std::find_if(x.begin(), x.end(), [](float v) { return !std::isfinite(v); });
  if (bad == x.end()) return OkStatus();
  return CorruptData(
      fmt::format("{} {} is {}: the weights are damaged, or their products too large for floats",
                  what, bad - x.begin(), *bad));
}

}  // namespace

Task::Task(RequestId id, GenerateRequest request, GenerateCallbacks callbacks)
    : id_(id),
      request_(std::move(request)),
      callbacks_(std::move(callbacks)),
      stops_(request_.stop) {}

void Task::Step(const TaskContext& context) {
  if (cancelled_.load()) {
    return Finish(StopReason::kCancelled, Cancelled("the request was cancelled"));
  }
  if (sequence_ == nullptr) {
    if (const Status s = Start(context); !s.ok()) {
      return Finish(StopReason::kError, s);
    }
  }
  prefilling() ? ReadChunk(context) : Decode(context);
}

Status Task::Start(const TaskContext& c) {
  // Frequencies that depend on the length follow the largest distance that a query may see.
  int64_t total = prompt_size() + request_.max_new_tokens;
  if (const auto farthest = c.methods->needs().farthest) {
    total = std::min(total, std::max(*farthest, c.model->config().max_position_embeddings));
  }
  sequence_ = std::make_unique<Sequence>(
      c.model->shape(), MakeRope(c.rope, c.model->shape().head_dim, total), c.methods,
      SequenceOptions{.kv_dtype = c.kv_dtype,
                      .hints = {.question = request_.question, .prompt_end = prompt_size()},
                      .measure_coverage = request_.measure_coverage});
  sampler_.emplace(request_.sampling);
  for (TokenId token : request_.prompt) sampler_->Accept(token);
  detokenizer_.emplace(*c.tokenizer, DecodeOptions{.skip_special = true});
  logits_.resize(static_cast<size_t>(c.model->config().vocab_size));
  if (request_.dump_qkv) {
    Result<QkvRecorder> recorder = QkvRecorder::Create(request_.dump_qkv->path,
                                                       {.model = c.model_name,
                                                        .layer = request_.dump_qkv->layer,
                                                        .tokens = prompt_size(),
                                                        .native_context = c.native_context},
                                                       c.model->shape(), sequence_->rope());
    if (!recorder.ok()) return recorder.status().WithPrefix("dump_qkv");
    recorder_.emplace(std::move(*recorder));
  }
  begin_ = Clock::now();
  return OkStatus();
}

void Task::ReadChunk(const TaskContext& c) {
  // With last_token_alone, the prompt's last token is a forward pass of its own; those of the
  // decoded tail always are.
  const int64_t tail = request_.decode_tail;
  const int64_t alone = std::max<int64_t>(tail, c.methods->needs().last_token_alone ? 1 : 0);
  const int64_t together = prompt_size() - alone;
  const int64_t n = read_ < together ? std::min(c.chunk_size, together - read_) : 1;
  const bool last = read_ + n == prompt_size();
  const std::span<const TokenId> rest =
      std::span(request_.prompt).subspan(static_cast<size_t>(read_));
  Model::ForwardOptions options = {
      .phase = read_ < prompt_size() - tail ? Phase::kPrefill : Phase::kDecode,
      .observer = recorder_ ? &*recorder_ : nullptr,
      .cancel = &cancelled_};
  if (request_.score_prompt) {
    options.next = rest.subspan(1, static_cast<size_t>(last ? n - 1 : n));
    result_.prompt_logprobs.resize(static_cast<size_t>(read_) + options.next.size());
    options.logprobs = std::span(result_.prompt_logprobs).subspan(static_cast<size_t>(read_));
  }
  Status status = c.model->Forward(rest.first(static_cast<size_t>(n)), *sequence_, *c.exec,
                                   last ? std::span<float>(logits_) : std::span<float>(), options);
  if (status.ok() && recorder_) status = recorder_->Check().WithPrefix("dump_qkv");
  if (status.ok()) status = CheckFinite(options.logprobs, "log-probability");
  if (!status.ok()) {
    const bool stopped = status.code() == StatusCode::kCancelled;
    result_.prompt_logprobs.resize(
        std::min(result_.prompt_logprobs.size(), static_cast<size_t>(read_)));
    return Finish(stopped ? StopReason::kCancelled : StopReason::kError, status);
  }
  read_ += n;
  result_.prompt_tokens = read_;
  result_.prefill_seconds = Seconds(Clock::now() - begin_);
  if (callbacks_.on_progress) {
    callbacks_.on_progress({read_, prompt_size(), result_.prefill_seconds});
  }
  if (!last) return;
  recorder_.reset();
  first_token_ = Clock::now();
  if (request_.max_new_tokens == 0) {
    return Finish(StopReason::kLength);
  }
  TakeLogits(c);
}

Model::Part Task::NextPart() {
  return {std::span(result_.token_ids).last(1), sequence_.get(), logits_};
}

void Task::Decode(const TaskContext& c) {
  const Model::Part part = NextPart();
  const Status status = c.model->Forward(part.tokens, *sequence_, *c.exec, part.logits,
                                         {.phase = Phase::kDecode, .cancel = &cancelled_});
  if (!status.ok()) {
    const bool stopped = status.code() == StatusCode::kCancelled;
    return Finish(stopped ? StopReason::kCancelled : StopReason::kError, status);
  }
  TakeLogits(c);
}

void Task::TakeLogits(const TaskContext& c) {
  if (const Status s = CheckFinite(logits_, "logit of token"); !s.ok()) {
    return Finish(StopReason::kError, s);
  }
  const TokenId token = sampler_->Pick(logits_);
  const auto is = [&](const std::vector<TokenId>& ids) {
    return std::find(ids.begin(), ids.end(), token) != ids.end();
  };
  if ((!request_.ignore_eos && is(c.end_ids)) || is(request_.stop_ids)) {
    return Finish(StopReason::kEos);
  }
  sampler_->Accept(token);
  result_.token_ids.push_back(token);
  Result<std::string> text = detokenizer_->Add(token);
  if (!text.ok()) {
    return Finish(StopReason::kError, text.status());
  }
  Emit(stops_.Add(*text));
  if (stops_.matched()) {
    return Finish(StopReason::kStopString);
  }
  if (static_cast<int64_t>(result_.token_ids.size()) >= request_.max_new_tokens) {
    return Finish(StopReason::kLength);
  }
}

void Task::Emit(const std::string& text) {
  if (text.empty()) return;
  result_.text += text;
  if (callbacks_.on_text) callbacks_.on_text(text);
}

void Task::Finish(StopReason reason, Status status) {
  ended_ = true;
  if (detokenizer_ && reason != StopReason::kError) {
    const Result<std::string> rest = detokenizer_->Flush();
    if (rest.ok()) {
      Emit(stops_.Add(*rest));
    } else {
      reason = StopReason::kError;
      status = rest.status();
    }
    if (!stops_.matched()) Emit(stops_.Flush());
  }
  result_.status = std::move(status);
  result_.stop_reason = reason;
  if (sequence_ != nullptr) {
    if (read_ == prompt_size()) result_.decode_seconds = Seconds(Clock::now() - first_token_);
    result_.kv_bytes = sequence_->size_bytes();
    result_.density = sequence_->pairs().Density();
    if (const CoverageSums& c = sequence_->coverage(); c.pairs > 0) {
      result_.coverage = c.mass / static_cast<double>(c.pairs);
    }
    const MethodStats stats = sequence_->method_stats();
    result_.memory_blocks = stats.memory_blocks;
    result_.blocks_retrieved = stats.blocks_retrieved;
    result_.cache_hits = stats.cache_hits;
    result_.cache_evictions = stats.cache_evictions;
  }
  result_.peak_rss_bytes = PeakRssBytes();
  recorder_.reset();  // a file that is not complete goes
  sequence_.reset();  // its memory goes before anybody reacts
  if (callbacks_.on_done) callbacks_.on_done(result_);
}

}  // namespace quarry
