import BusProtocol
import Dispatch

/// What may be told only after its commit.
extension Referee {
    // MARK: - What is held back

    /// The answers that are due at once; the others are owed from here on.
    func dueNow(_ path: AgentPath, _ message: AgentMessage) -> [Answer]? {
        guard let record = dueRecord, record.durability == .disk else { return answersDue }
        // Between the end of the dedup time and the beat that notices it, either answer is right.
        let taken: [Answer]? = accepted == nil ? nil : path.isLockStep ? [] : [.accepted(duplicate: false)]
        guard let due = answersDue ?? taken else { return nil }
        var immediate: [Answer] = []
        for answer in due {
            let ticket: JournalTicket =
                switch answer {
                case .accepted, .state: record.acceptTicket
                case .terminal: record.endTicket
                default: 0
                }
            guard ticket > committed else {
                immediate.append(answer)
                continue
            }
            if answer == .terminal, case .cancel = message, !path.isLockStep,
                ended.contains(where: { $0 === record }),
                owed.contains(where: { $0.path == path && $0.record === record && $0.answer == .terminal })
            {
                continue
            }
            owed.append(OwedAnswer(path: path, answer: answer, record: record, ticket: ticket))
            if answer != .terminal, !path.isLockStep, record.isOpen, !record.listeners.contains(path) {
                record.listeners.append(path)
            }
        }
        return immediate
    }

    /// Everyone who waits for a terminal that is not on disk gets it later.
    func oweTerminal(of record: RequestRecord) {
        for path in record.listeners {
            owed.append(OwedAnswer(path: path, answer: .terminal, record: record, ticket: record.endTicket))
            waits.removeAll { $0.path == path }
        }
        record.listeners = []
    }

    /// Whether the question for an attempt waits for its mark.
    func waitsForMark(_ key: DeliveryKey, _ seat: Seat) -> Bool {
        guard let record = record(key.job), record.durability == .disk, startAnswers == 0,
            record.holder == seat.connection, record.deliveries == key.delivery, let session = seat.session,
            let ticket = record.startTickets[key], ticket > committed || issued > committed
        else { return false }
        record.pendingStart = (key, session)
        return true
    }

    /// Whether the `ACK` of a terminal waits for its commit.
    func oweAcknowledgement(_ key: DeliveryKey, _ connection: ConnectionID) -> Bool {
        guard let record = record(key.job), !record.isOpen, !record.isGone, record.endTicket > committed,
            acknowledged == 0
        else { return false }
        owedAcknowledgements.append(
            OwedAcknowledgement(connection: connection, key: key, ticket: record.endTicket)
        )
        return true
    }

    // MARK: - What is released

    func checkReleased(_ reply: AgentReply, to path: AgentPath) {
        switch reply {
        case .accepted(let id, _, let duplicate): release(.accepted(duplicate: duplicate), of: id, to: path)
        case .state(let id, _): release(.state, of: id, to: path)
        case .rejected:
            answered(path)
            if let index = rejectionsDue.firstIndex(of: path) {
                rejectionsDue.remove(at: index)
            } else if !departed.contains(path.connection) {
                fail("a lost acceptance is told once", "\(TraceText.text(path)) got REJECTED")
            }
        default:
            fail("only what rests on the journal waits for it", "\(TraceText.text(path)) got \(TraceText.text(reply))")
        }
    }

    private func release(_ answer: Answer, of id: RequestID, to path: AgentPath) {
        release(answer, to: path, of: id) { $0.key.id == id }
    }

    func release(_ answer: Answer, of record: RequestRecord, to path: AgentPath) {
        release(answer, to: path, of: record.key.id) { $0 === record }
    }

    private func release(
        _ answer: Answer,
        to path: AgentPath,
        of id: RequestID,
        _ isMeant: (RequestRecord) -> Bool
    ) {
        answered(path)
        let index = owed.firstIndex { $0.path == path && $0.answer == answer && isMeant($0.record) }
        guard let index else {
            if departed.contains(path.connection) { return }
            return fail(
                "agents get the answers that the protocol names",
                "\(TraceText.text(path)) got \(answer) of \(id)"
            )
        }
        if owed[index].ticket > committed {
            fail("nothing is told before its commit", "\(answer) of \(id) before write \(owed[index].ticket)")
        }
        owed.remove(at: index)
    }

    func checkReleasedStart(_ key: DeliveryKey, of seat: Seat, _ session: SessionToken) {
        guard let record = record(key.job), let pending = record.pendingStart, pending == (key, session) else {
            return fail("GO answers START", "GO or NOGO \(key) to \(seat.connection), which did not ask")
        }
        record.pendingStart = nil
        if session != seat.session { fail("sessions are kept", "GO or NOGO \(key) with another session") }
    }

    func releaseAcknowledgement(_ key: DeliveryKey, to seat: Seat) {
        let index = owedAcknowledgements.firstIndex { $0.connection == seat.connection && $0.key == key }
        guard let index else { return fail("ACK answers a terminal", "ACK \(key) to \(seat.connection)") }
        owedAcknowledgements.remove(at: index)
    }
}
