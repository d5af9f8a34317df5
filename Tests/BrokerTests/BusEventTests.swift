import BusProtocol
import CoreTypes
import Dispatch
import JSON
import Journal
import Testing

@testable import Broker

@Suite struct BusEventTests {
    private func key() throws -> RequestKey {
        RequestKey(tenant: .user(1000), id: try #require(RequestID("r-1")))
    }

    private func ending(brokerClass: FailureClass?) throws -> BusEvent.Ending {
        BusEvent.Ending(
            key: try key(),
            job: JobNumber(7),
            task: "t \"1\"",
            isReply: brokerClass == nil,
            brokerClass: brokerClass,
            deliveries: 2,
            paidDeliveries: 1,
            waited: .milliseconds(3),
            duration: .milliseconds(250)
        )
    }

    @Test func theWorkersRecordIsSplicedInUnread() throws {
        let record = Bytes(#"{"attempts":2,"odd":  1.50}"#)
        let event = BusEvent.requestEnded(try ending(brokerClass: nil)).encoded(time: 5, record: record)
        #expect(event.eventClass == .request)
        #expect(event.tenant == .user(1000))
        let text = String(decoding: event.json, as: UTF8.self)
        #expect(text.contains(#""call":{"attempts":2,"odd":  1.50}"#))
        let json = try JSONValue(parsing: event.json)
        #expect(json["event"]?.stringValue == "request.ended")
        #expect(json["by"]?.stringValue == "worker")
        #expect(json["outcome"]?.stringValue == "reply")
        #expect(json["task"]?.stringValue == "t \"1\"")
        #expect(json["duration_ms"]?.intValue == 250)
    }

    @Test func anEndOfTheBrokersOwnNamesItsClass() throws {
        let event = BusEvent.requestEnded(try ending(brokerClass: .deadline)).encoded(time: 5, record: Bytes("{}"))
        let json = try JSONValue(parsing: event.json)
        #expect(json["by"]?.stringValue == "broker")
        #expect(json["class"]?.stringValue == "deadline")
        #expect(json["call"] == nil)
    }

    @Test func everyEventIsAnObjectWithNameAndTime() throws {
        let key = try key()
        let report = TaskReport(task: key.id, outcome: .failedInApplication)
        let delivery = DeliveryKey(job: JobNumber(7), delivery: 1, attempt: 2)
        let events: [(BusEvent, String)] = [
            (.requestAccepted(key, JobNumber(7), task: nil, priority: 4, durability: .memory), "request.accepted"),
            (.requestRejected(key, task: "t", .busy), "request.rejected"),
            (.requestLate(nil, delivery, isReply: true), "request.late"),
            (.workerJoined(name: "w", pid: nil, capacity: 3), "worker.joined"),
            (.workerLeft(name: "w", pid: 9), "worker.left"),
            (.workerLost(name: "w", pid: 9, reason: .died, requeued: 1, failed: 2), "worker.lost"),
            (.deliveryLost(key, delivery, worker: "w"), "delivery.lost"),
            (.taskEnded(.user(1), report), "task.ended"),
        ]
        for (event, name) in events {
            let json = try JSONValue(parsing: event.encoded(time: 1234, record: nil).json)
            #expect(json["event"]?.stringValue == name)
            #expect(json["time_ms"]?.intValue == 1234)
        }
    }

    @Test func aBrokersFailureIsAHeaderThatClientsRead() throws {
        let failure = BrokerFailure(
            reason: .workerLost,
            message: "lost",
            deliveries: 2,
            attempts: 3,
            waited: .milliseconds(1),
            duration: .seconds(2),
            lost: [LostDelivery(delivery: 1, attempt: 1, held: .seconds(1))]
        )
        let header = try FailureHeader(parsing: failure.terminal.header)
        #expect(header.failureClass == .workerLost)
        #expect(header.billed == .maybe)
        let meta = try JSONValue(parsing: try #require(header.meta))
        #expect(meta["deliveries"]?.intValue == 2)
        #expect(meta["resolved_model"] == .null)
        #expect(meta["trail"]?[0]?["lost_delivery"]?.intValue == 1)
    }

    @Test func nothingIsBilledWithoutACall() throws {
        let failure = BrokerFailure(
            reason: .cancelled,
            message: "cancelled",
            deliveries: 1,
            attempts: 0,
            waited: .zero,
            duration: .zero,
            lost: []
        )
        #expect(try FailureHeader(parsing: failure.terminal.header).billed == .no)
    }
}
