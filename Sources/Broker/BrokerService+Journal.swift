import BusProtocol
import CoreTypes
import Dispatch
import EventLoop
import Journal

/// From marks to the journal and back.
extension BrokerService {
    /// Opens the journal, if there is one, and lets the dispatcher begin where the last broker ended.
    ///
    /// - Returns: The epoch.
    /// - Throws: `JournalError` when the file cannot be used.
    func startDispatcher() throws -> Int64 {
        var configuration = settings.dispatch
        configuration.seed = UInt64.random(in: .min ... .max)
        let wall = UnixClock.milliseconds()
        guard let path = settings.journalPath else {
            configuration.epoch = wall
            dispatcher = Dispatcher(configuration: configuration, now: loop.now())
            return wall
        }
        var journal = try SQLiteJournal.open(path: path, settings: settings.journal)
        let clock = journal.clock
        let time = clock.now()
        let state = try journal.recover(now: time, digest: { BodyDigest().hash($0) })
        let epoch = try journal.begin(epoch: wall)
        for words in [journal.setAside, journal.passedOver].compactMap(\.self) { log(words) }
        configuration.epoch = epoch
        configuration.hasJournal = true
        dispatcher = Dispatcher(configuration: configuration, now: loop.now())
        journalByteCount = journal.byteCount
        if let last = state.numberLast { dispatcher.restore(numberLast: last, epochLast: state.epochLast) }
        restore(state.withoutFuture(now: time, dedup: configuration.dedup), time: time)
        journalClock = clock
        self.journal = try JournalWriter(journal: journal) { report in
            self.loop.execute { self.assumeIsolated { $0.take(report) } }
        }
        endDamaged(state)
        return epoch
    }

    /// Ends what the journal cannot give back as it was accepted, before a worker can ask for it.
    private func endDamaged(_ state: RecoveredState) {
        for job in state.jobs where job.ending == nil {
            guard let damage = job.damage else { continue }
            dispatcher.endDamaged(job.number, why: damage, now: loop.now(), into: &effects)
        }
        guard !effects.isEmpty else { return }
        performEffects()
        scheduleWake(at: dispatcher.nextWake)
        writeUnwritten()
    }

    /// - Parameter time: Now, by the journal's clock.
    private func restore(_ state: RecoveredState, time: Int64) {
        let now = loop.now()
        func moment(_ past: Int64) -> Moment { now.advanced(by: .milliseconds(past - time)) }
        for tombstone in state.tombstones {
            dispatcher.restoreForgotten(
                tombstone.key,
                body: tombstone.bodyHash,
                until: moment(tombstone.rememberedUntil)
            )
        }
        var open = 0
        for job in state.jobs {
            store.keepRequest(job.number, job.key, body: job.body)
            if let ending = job.ending { store.keepTerminal(job.number, ending.terminal) } else { open += 1 }
            let facts = AcceptedFacts(
                key: job.key,
                header: job.header,
                body: BodyFacts(hash: job.bodyHash, byteCount: job.bodyByteCount),
                ttl: job.ttl
            )
            dispatcher.restore(
                RestoredRequest(
                    number: job.number,
                    facts: facts,
                    acceptedAt: moment(job.acceptedAt),
                    expiresAt: moment(job.expiresAt),
                    started: job.started,
                    deaths: job.deaths,
                    ending: job.ending.map { ending in
                        RestoredRequest.Ending(
                            isReply: ending.isReply,
                            brokerClass: ending.failureClass,
                            at: moment(ending.endedAt)
                        )
                    }
                ),
                now: now
            )
        }
        dispatcher.keptBytes = store.terminalBytes
        guard !state.jobs.isEmpty || !state.wasClosed else { return }
        log(
            "journal: taken back: open requests \(open), terminals \(state.jobs.count - open)"
                + (state.wasClosed ? "" : "; the last broker was not stopped in order")
        )
    }

    func write(_ mark: JournalMark, _ ticket: JournalTicket) {
        guard let journalClock else { preconditionFailure("a broker without a journal was told to write to it") }
        unwritten.append(JournalWriter.Item(entry(mark, at: journalClock.now()), ticket: ticket))
    }

    /// Hands the journal what the messages of this turn led to. After all that does not wait for it was sent: to wake the
    /// writer's thread takes time, and nobody waits for it longer than for the disk.
    func writeUnwritten() { journal?.append(&unwritten) }

    private func entry(_ mark: JournalMark, at time: Int64) -> JournalEntry {
        switch mark {
        case .accepted(let job, let facts):
            guard let body = store.body(of: job) else { preconditionFailure("job \(job) has no body to write") }
            return .accepted(
                AcceptedRequest(
                    number: job,
                    key: facts.key,
                    header: facts.header,
                    bodyHash: facts.body.hash,
                    body: body,
                    acceptedAt: time,
                    expiresAt: time + facts.header.deadline.wholeMilliseconds,
                    ttl: facts.ttl
                )
            )
        case .started(let key):
            return .started(key)
        case .died(let job, let deaths):
            return .died(job, deaths: deaths)
        case .ended(let job, let brokerClass):
            guard let terminal = store.terminal(of: job) else { preconditionFailure("job \(job) has no terminal") }
            return .ended(job, terminal, class: brokerClass, at: time)
        case .forgotten(let job, let remember):
            return .forgotten(job, rememberedUntil: time + remember.wholeMilliseconds)
        }
    }

    private func take(_ report: JournalReport) {
        guard sockets != nil else { return }
        switch report {
        case .committed(let ticket, let byteCount):
            journalByteCount = byteCount
            process(.committed(through: ticket))
        case .refused(let jobs, let error):
            process(.acceptancesLost(jobs, refusal("it \(error.code == .full ? "is full" : "cannot be written")")))
        case .failing(let error, let wait):
            complain(error, retryIn: wait)
        case .recovered:
            if let trouble = journalTrouble {
                log("the journal can be written again, after \(trouble.seconds(until: loop.now())) s")
            }
            journalTrouble = nil
        case .admission(.full):
            log(
                "the journal is full, or its disk: requests that are to be kept on disk are rejected until "
                    + (journal?.need ?? "there is room")
            )
            askJournal()
        case .admission(let admission):
            if admission == .open, lastAdmission == .full { log("the journal takes requests again") }
            askJournal()
        }
    }

    /// Tells the operator at once, and again and again for as long as it lasts: what is held back is held for ever if
    /// nobody mends it, because accepted means kept.
    private func complain(_ error: JournalError, retryIn wait: Duration) {
        let now = loop.now()
        guard var trouble = journalTrouble else {
            journalTrouble = JournalTrouble(since: now)
            return log(
                "the journal cannot be written: \(error); trying again in \(wait). Requests that are to be kept on disk "
                    + "are rejected meanwhile. \(JournalTrouble.advice(error))"
            )
        }
        guard trouble.isToBeTold(now) else { return }
        journalTrouble = trouble
        log(
            "PROBLEM: the journal could not be written for \(trouble.seconds(until: now)) s: \(error). "
                + (dispatcher.isWaitingForJournal
                    ? "Answers and calls of accepted requests are held back until it can (\(journal?.pendingByteCount ?? 0) "
                        + "bytes wait). " : "") + JournalTrouble.advice(error)
        )
    }

    /// Bytes of the journal on disk; nil without one.
    var keptByteCount: Int? { journal == nil ? nil : journalByteCount }

    /// Lets the dispatcher know whether the journal takes a request now.
    func askJournal() {
        guard let admission = journal?.admission, admission != lastAdmission else { return }
        lastAdmission = admission
        dispatcher.journalRefusal =
            switch admission {
            case .open: nil
            case .full: refusal("it is full")
            case .failing: refusal("it cannot be written")
            case .behind: refusal("it does not keep up")
            }
    }

    private func refusal(_ reason: String) -> BusError {
        BusError(
            .storeFull,
            "the journal does not take the request: \(reason); no model was called",
            retryAfter: settings.dispatch.stoppingRetryAfter
        )
    }
}
