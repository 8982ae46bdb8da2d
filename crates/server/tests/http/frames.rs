//! HTTP itself: methods, sizes, hosts, ambiguous frames, slow and idle peers.

use std::time::{Duration, Instant};

use countersign_core::profile::ENTRA;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::*;

#[tokio::test]
async fn methods_get_their_answers() {
    let service = Service::empty(&ENTRA).await;
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
        let answer = service.send(method, &service.token_path(), "", b"").await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST, OPTIONS"), "{method}");
        if method != "HEAD" {
            assert_eq!(answer.refusal(), 900_561);
        }
    }
    assert_eq!(service.send("OPTIONS", &service.token_path(), "", b"").await.status, 200);
    let keys = format!("/{TENANT_ID}/discovery/v2.0/keys");
    let head = service.send("HEAD", &keys, "", b"").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(service.send("POST", &keys, "", b"").await.status, 405);
    for nothing in ["/", "//", "/nothing", "/%2e%2e/etc/passwd", "/../../etc/passwd"] {
        let answer = service.get(nothing).await;
        assert_eq!(answer.status, 404, "{nothing}");
        answer.refusal();
    }
}

#[tokio::test]
async fn declared_sizes_are_refused_at_once() {
    let service = Service::with_client(&ENTRA).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Length: 1073741824\r\n\r\n",
        service.token_path(),
        service.host()
    );
    let began = Instant::now();
    let answer = parse(&service.raw(head.as_bytes()).await);
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(answer.status, 413);
    answer.refusal();
    assert_eq!(service.ask(&service.right()).await.status, 200);
    let body = vec![b'x'; 256 * 1024];
    assert_eq!(service.send("POST", &service.token_path(), "", &body).await.status, 400, "the limit itself is allowed");
    let filler = format!("X-Filler: {}\r\n", "y".repeat(70_000));
    assert!(matches!(service.send("POST", &service.token_path(), &filler, b"").await.status, 400..=499));
}

#[tokio::test]
async fn ambiguous_frames_get_one_answer_and_are_closed() {
    let service = Service::empty(&ENTRA).await;
    let hidden = format!("GET /{TENANT_ID}/discovery/v2.0/keys HTTP/1.1\r\nHost: {}\r\n\r\n", service.host());
    for headers in [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", hidden.len() + 5),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", hidden.len() + 5),
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n".to_owned(),
        "Content-Length: 5\r\nContent-Length: 6\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n".to_owned(),
        "Content-Length: +5\r\n".to_owned(),
    ] {
        let raw = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n0\r\n\r\n{hidden}",
            service.token_path(),
            service.host()
        );
        let began = Instant::now();
        let received = String::from_utf8(service.raw(raw.as_bytes()).await).unwrap();
        assert!(began.elapsed() < Duration::from_secs(5), "the connection stayed open: {headers}");
        assert!(received.matches("HTTP/1.1 ").count() <= 1 && !received.contains("\"keys\""), "{headers}: {received}");
    }
}

#[tokio::test]
async fn a_request_has_one_host() {
    let service = Service::empty(&ENTRA).await;
    for hosts in ["", "Host: 127.0.0.1\r\nHost: evil.example\r\n"] {
        let raw =
            format!("POST {} HTTP/1.1\r\n{hosts}Content-Length: 0\r\nConnection: close\r\n\r\n", service.token_path());
        let answer = parse(&service.raw(raw.as_bytes()).await);
        assert_eq!(answer.status, 400);
        answer.refusal();
    }
}

#[tokio::test]
async fn chunked_bodies_are_read_and_bounded() {
    let service = Service::with_client(&ENTRA).await;
    let body = service.right().body();
    let chunked = |body: &str| {
        let pieces: String = body
            .as_bytes()
            .chunks(700)
            .map(|c| format!("{:x}\r\n{}\r\n", c.len(), String::from_utf8_lossy(c)))
            .collect();
        format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n{pieces}0\r\n\r\n",
            service.token_path(),
            service.host()
        )
    };
    assert_eq!(parse(&service.raw(chunked(&body).as_bytes()).await).status, 200);
    let large = service.raw(chunked(&"x".repeat(300_000)).as_bytes()).await;
    assert!(large.is_empty() || parse(&large).status == 413);
}

#[tokio::test]
async fn the_end_waits_for_requests_in_flight_and_for_no_idle_ones() {
    let service = Service::with_client(&ENTRA).await;
    let address = service.running.address;
    let body = service.right().body();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        service.token_path(),
        service.host(),
        body.len()
    );
    let idle = TcpStream::connect(address).await.unwrap();
    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(head.as_bytes()).await.unwrap();
    busy.write_all(&body.as_bytes()[..body.len() - 10]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    let Service { running, folder, .. } = service;
    let ending = tokio::spawn(running.shutdown());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(address).await.is_err(), "no more connections");
    busy.write_all(&body.as_bytes()[body.len() - 10..]).await.unwrap();
    let mut out = Vec::new();
    busy.read_to_end(&mut out).await.unwrap();
    assert!(out.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&out));
    ending.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
    drop((idle, folder));
}
